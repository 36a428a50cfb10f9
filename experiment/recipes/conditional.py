"""p(z) p(x|z, y) with q(z|x, y), given labels y: every batch is (x, y)."""

from typing import ClassVar

from experiment.build import Parts
from experiment.recipes.base import Pair, Recipe
from guides.conditional import ConditionalAmortized
from models.conditional import Conditional as ConditionalModel


class Conditional(Recipe):
    """The conditional VAE of Sohn et al. 2015, with a prior that does not depend on y.

    Its evidence is log p(x|y). The encoder makes `features` numbers of x, and one more layer joins
    them with the label.
    """

    given_labels: ClassVar[bool] = True

    def __init__(self, features: int = 100) -> None:
        if features < 1:
            raise ValueError(f"features={features}: must be at least 1")
        self.features = features

    def pair(self, parts: Parts) -> Pair:
        classes = parts.data.num_classes
        family = parts.family(parts.latent_dim)
        joined = self.features + classes
        head = parts.perceptron(joined, family.num_parameters, width=self.features)
        guide = ConditionalAmortized(parts.encoder(self.features), head, family, classes)
        likelihood = parts.likelihood()
        prior = parts.prior(parts.latent_dim)
        decoder = parts.decoder(parts.latent_dim + classes, likelihood)
        return Pair(ConditionalModel(prior, decoder, likelihood, classes), guide)
