"""p(y) p(z|y) p(x|z) with q(z|x): clusters in the latent space, y summed out exactly."""

from typing import ClassVar

from experiment.build import Parts
from experiment.recipes.base import Pair
from experiment.recipes.vae import VAE
from models.clustered import Clustered
from models.generative import Generative
from models.priors.mixture import Mixture
from models.priors.vamp import Vamp


class GMVAE(VAE):
    """The Gaussian-mixture VAE in which y depends on x through z alone (Jiang et al. 2017, VaDE).

    p(z|y) is a component of the prior.
    """

    model: ClassVar[type[Generative]] = Clustered

    def pair(self, parts: Parts) -> Pair:
        parts.require(
            "prior",
            (Mixture, Vamp),
            "its clusters are the components of the prior; choose prior=mixture or prior=vamp",
        )
        return super().pair(parts)
