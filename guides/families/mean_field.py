"""q(z|x) = N(μ(x), diag σ²(x))."""

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor

from guides.families.base import Family, posterior_scale
from models.distributions import Distribution


class MeanField(Family):
    """A normal with independent dimensions (Kingma & Welling 2014): h holds μ and the raw σ."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.num_parameters = 2 * latent_dim

    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        loc, raw_scale = h.chunk(2, dim=-1)
        return dist.Normal(loc, posterior_scale(raw_scale)).to_event(1)
