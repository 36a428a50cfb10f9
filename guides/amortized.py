"""The amortized guide: one encoder gives q_φ(z|x) for every x."""

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from guides.families.base import Family
from models.distributions import Distribution


class Amortized(nn.Module):
    """The guide as a Pyro program. `family(h)` returns a distribution over one datum's z."""

    def __init__(self, encoder: nn.Module, family: Family) -> None:
        super().__init__()
        self.encoder, self.family = encoder, family

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent"]:
        """Samples z ~ q_φ(z|x) at site `z`, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x))  # z ~ q_φ(z|x)

    def posterior(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns q_φ(z|x): batch_shape (N,), event_shape (latent,)."""
        return self.family(self.encoder(x))
