"""p(y) p(z|y) p(x|z) with q(z|x): clusters in the latent space, y summed out exactly."""

from torch import nn

from experiment.build import Parts
from guides.amortized import Amortized
from models.clustered import Clustered
from models.priors.mixture import Mixture
from models.priors.vamp import Vamp


def gmvae(parts: Parts) -> tuple[nn.Module, nn.Module]:
    """The Gaussian-mixture VAE in which y depends on x through z alone (Jiang et al. 2017, VaDE); p(z|y) is the prior's."""
    parts.require(
        "prior",
        lambda prior: isinstance(prior, type) and issubclass(prior, Mixture | Vamp),
        "its clusters are the components of the prior; choose prior=mixture or prior=vamp",
    )
    family = parts.family(parts.latent_dim)
    guide = Amortized(parts.encoder(family.num_parameters), family)
    likelihood = parts.likelihood()
    prior = parts.prior(
        parts.latent_dim, posterior=guide.posterior, examples=parts.examples, domain=parts.domain
    )
    return Clustered(prior, parts.decoder(parts.latent_dim, likelihood), likelihood), guide
