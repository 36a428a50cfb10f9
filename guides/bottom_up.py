"""The bottom-up guide of two layers: q_φ(z1|x) q_φ(z2|z1)."""

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from guides.families.base import Family
from models.distributions import Distribution


class BottomUp(nn.Module):
    """The guide as a Pyro program, which samples the layer next to x first.

    Arguments:
        encoder: the network from x to the parameters of q_φ(z1|x).
        family: makes q_φ(z1|x) of these parameters.
        top_encoder: the network from z1 to the parameters of q_φ(z2|z1).
        top_family: makes q_φ(z2|z1) of these parameters.
    """

    def __init__(
        self, encoder: nn.Module, family: Family, top_encoder: nn.Module, top_family: Family
    ) -> None:
        super().__init__()
        self.encoder, self.family = encoder, family
        self.top_encoder, self.top_family = top_encoder, top_family

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent2"]:
        """Samples z1 ~ q_φ(z1|x), then z2 ~ q_φ(z2|z1), in the plate of the data."""
        with pyro.plate("data", len(x)):
            z1 = pyro.sample("z1", self.posterior(x))
            return pyro.sample("z2", self.top_posterior(z1))

    def posterior(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns q_φ(z1|x): batch_shape (N,), event_shape (latent,)."""
        return self.family(self.encoder(x))

    def top_posterior(self, z1: Float[Tensor, " N latent"]) -> Distribution:
        """Returns q_φ(z2|z1): batch_shape (N,), event_shape (latent2,)."""
        return self.top_family(self.top_encoder(z1))
