"""p(z) p(x|z) with q(z|x): one latent, one encoder, one decoder."""

from torch import nn

from experiment.build import Parts
from guides.amortized import Amortized
from models.generative import Generative


def vae(parts: Parts) -> tuple[nn.Module, nn.Module]:
    """The variational autoencoder of Kingma & Welling 2014."""
    family = parts.family(parts.latent_dim)
    guide = Amortized(parts.encoder(family.num_parameters), family)
    likelihood = parts.likelihood()
    # The last three are for a prior that is made of the guide's posteriors.
    prior = parts.prior(
        parts.latent_dim, posterior=guide.posterior, examples=parts.examples, domain=parts.domain
    )
    return Generative(prior, parts.decoder(parts.latent_dim, likelihood), likelihood), guide
