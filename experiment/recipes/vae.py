"""p(z) p(x|z) with q(z|x): one latent, one encoder, one decoder."""

from typing import ClassVar

from experiment.build import Parts
from experiment.recipes.base import Pair, Recipe
from guides.amortized import Amortized
from models.generative import Generative


class VAE(Recipe):
    """The variational autoencoder of Kingma & Welling 2014."""

    model: ClassVar[type[Generative]] = Generative

    def pair(self, parts: Parts) -> Pair:
        family = parts.family(parts.latent_dim)
        guide = Amortized(parts.encoder(family.num_parameters), family)
        likelihood = parts.likelihood()
        # The last three are for a prior that is made of the guide's posteriors.
        prior = parts.prior(
            parts.latent_dim,
            posterior=guide.posterior,
            examples=parts.examples,
            domain=parts.domain,
        )
        decoder = parts.decoder(parts.latent_dim, likelihood)
        return Pair(self.model(prior, decoder, likelihood), guide)
