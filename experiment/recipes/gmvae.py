"""p(y) p(z|y) p(x|z) with q(z|x): clusters in the latent space, y summed out exactly."""

from experiment.build import Parts
from experiment.recipes.base import Pair, Recipe
from guides.amortized import Amortized
from models.clustered import Clustered
from models.priors.mixture import Mixture
from models.priors.vamp import Vamp


class GMVAE(Recipe):
    """The Gaussian-mixture VAE in which y depends on x through z alone (Jiang et al. 2017, VaDE).

    p(z|y) is a component of the prior.
    """

    def pair(self, parts: Parts) -> Pair:
        parts.require(
            "prior",
            (Mixture, Vamp),
            "its clusters are the components of the prior; choose prior=mixture or prior=vamp",
        )
        family = parts.family(parts.latent_dim)
        guide = Amortized(parts.encoder(family.num_parameters), family)
        likelihood = parts.likelihood()
        prior = parts.prior(
            parts.latent_dim,
            posterior=guide.posterior,
            examples=parts.examples,
            domain=parts.domain,
        )
        decoder = parts.decoder(parts.latent_dim, likelihood)
        return Pair(Clustered(prior, decoder, likelihood), guide)
