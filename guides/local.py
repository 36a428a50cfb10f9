"""A free q(z|x) for every datum: what a family can do when no encoder stands between."""

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor, nn

from guides.families.base import Family


class Local(nn.Module):
    """The guide q(z|h_i) of the i-th datum, with h (N, num_parameters) free parameters; for these N data, in this order.

    What a family learns besides h (the weights of a flow, say) is part of the family and shared by all data.
    """

    def __init__(self, family: Family, start: Float[Tensor, " N parameters"]) -> None:
        super().__init__()
        self.family = family
        self.h = nn.Parameter(start.detach().clone())

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N latent"]:
        """Sample z ~ q(z|h_i) at site `z`, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x))

    def posterior(self, x: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        """q(z|h): batch_shape (N,), event_shape (latent,)."""
        if len(x) != len(self.h):
            raise ValueError(
                f"{len(x)} data for a guide of {len(self.h)}: the local guide belongs to its own data"
            )
        return self.family(self.h)


def starts(
    family: Family, count: int, restarts: int, encoded: Tensor | None = None
) -> list[Float[Tensor, " N parameters"]]:
    """Where to start: the encoder's output if it is of this family, else zero; then zero with ever more noise."""
    zero = torch.zeros(count, family.num_parameters)
    first = zero if encoded is None else encoded
    return [first, *(zero + 0.3 * k * torch.randn_like(zero) for k in range(1, restarts))]
