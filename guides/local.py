"""A free q(z|x) for every datum: the best that a family can do, with no encoder in between."""

import pyro
from jaxtyping import Float
from torch import Tensor, nn

from guides.families.base import Family
from models.distributions import Distribution


class Local(nn.Module):
    """The guide q(z|h_i) of the i-th datum, for N given data in a given order.

    The rows of h (N, num_parameters) are free parameters. What a family learns besides h (the
    weights of a flow, say) is part of the family and shared by all data.
    """

    def __init__(self, family: Family, start: Float[Tensor, " N parameters"]) -> None:
        super().__init__()
        self.family = family
        self.h = nn.Parameter(start.detach().clone())

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent"]:
        """Samples z ~ q(z|h_i) at site `z`, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x))

    def posterior(self, x: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns q(z|h): batch_shape (N,), event_shape (latent,)."""
        if len(x) != len(self.h):
            raise ValueError(f"{len(x)} data: this local guide belongs to {len(self.h)} others")
        return self.family(self.h)
