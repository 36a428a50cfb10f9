"""p(z) p(x|z, y) with q(z|x, y), given labels y: every batch is (x, y)."""

from torch import nn

from data import Dataset
from experiment.build import Parts
from experiment.recipes.base import Pair, Recipe
from guides.conditional import ConditionalAmortized
from guides.families import Family
from models.conditional import Conditional as ConditionalModel
from models.likelihoods import Likelihood
from models.priors.base import Prior


class Conditional(Recipe):
    """The conditional VAE of Sohn et al. 2015, with a prior that does not depend on y.

    Its evidence is log p(x|y). The encoder makes `features` numbers of x, and one more layer joins
    them with the label.
    """

    def __init__(self, features: int = 100) -> None:
        if features < 1:
            raise ValueError(f"features={features}: must be at least 1")
        self.features = features

    def prepared(self, data: Dataset) -> Dataset:
        return data.with_labels()

    def pair(self, parts: Parts) -> Pair:
        classes = parts.data.num_classes
        model, guide = self.components(parts)
        return Pair(ConditionalModel(*model, classes), ConditionalAmortized(*guide, classes))

    def components(
        self, parts: Parts
    ) -> tuple[tuple[Prior, nn.Module, Likelihood], tuple[nn.Module, nn.Module, Family]]:
        """Returns prior, decoder and likelihood, and encoder, head and family."""
        classes = parts.data.num_classes
        family = parts.family(parts.latent_dim)
        joined = self.features + classes
        head = parts.perceptron(joined, family.num_parameters, width=self.features)
        encoder = parts.encoder(self.features)
        likelihood = parts.likelihood()
        prior = parts.prior(parts.latent_dim)
        decoder = parts.decoder(parts.latent_dim + classes, likelihood)
        return (prior, decoder, likelihood), (encoder, head, family)
