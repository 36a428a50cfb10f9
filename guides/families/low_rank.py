"""q(z|x) = N(μ(x), F(x) F(x)ᵀ + diag σ²(x))."""

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor

from errors import RequestError
from guides.families.base import Family, posterior_scale


class LowRank(Family):
    """A normal with covariance of `rank` r plus a diagonal: h holds μ, the raw σ and F (latent × r)."""

    def __init__(self, latent_dim: int, rank: int = 1) -> None:
        super().__init__()
        if rank < 1:
            raise RequestError(f"guide.rank={rank}: must be at least 1 (0 is guide=mean_field)")
        self.latent_dim, self.rank = latent_dim, rank
        self.num_parameters = (2 + rank) * latent_dim

    def forward(self, h: Float[Tensor, "N parameters"]) -> dist.TorchDistribution:
        loc, raw_scale, factor = h.split([self.latent_dim, self.latent_dim, self.latent_dim * self.rank], dim=-1)
        scale = posterior_scale(raw_scale)
        factor = scale.unsqueeze(-1) * factor.unflatten(-1, (self.latent_dim, self.rank))  # correlations in units of σ
        return dist.LowRankMultivariateNormal(loc, factor, scale**2)
