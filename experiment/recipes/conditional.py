"""p(z) p(x|z, y) with q(z|x, y), given labels y: every batch is (x, y)."""

from torch import nn

from errors import RequestError
from experiment.build import Parts
from guides.conditional import ConditionalAmortized
from models.conditional import Conditional


def conditional(parts: Parts, features: int = 100) -> tuple[nn.Module, nn.Module]:
    """The conditional VAE of Sohn et al. 2015, with a prior that does not depend on y; its evidence is log p(x|y).

    The encoder makes `features` numbers of x, which one more layer joins with the label.
    """
    if features < 1:
        raise RequestError(f"model.features={features}: must be at least 1")
    classes = parts.data.num_classes
    family = parts.family(parts.latent_dim)
    head = parts.perceptron(features + classes, family.num_parameters, width=features)
    guide = ConditionalAmortized(parts.encoder(features), head, family, classes)
    likelihood = parts.likelihood()
    prior = parts.prior(parts.latent_dim)
    return Conditional(
        prior, parts.decoder(parts.latent_dim + classes, likelihood), likelihood, classes
    ), guide


conditional.given_labels = True  # type: ignore[attr-defined]  # build_data puts labels beside x
