"""q(z|x) = N(μ(x), F(x) F(x)ᵀ + diag σ²(x))."""

import pyro.distributions as dist
import torch
from jaxtyping import Bool, Float
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

    def forward(self, h: Float[Tensor, " N parameters"]) -> dist.TorchDistribution:
        """The normal; of a row of h that makes no covariance (NaN, say) μ is NaN, and other rows are as ever."""
        loc, raw_scale, factor = h.split(
            [self.latent_dim, self.latent_dim, self.latent_dim * self.rank], dim=-1
        )
        scale = posterior_scale(raw_scale)
        factor = scale.unsqueeze(-1) * factor.unflatten(
            -1, (self.latent_dim, self.rank)
        )  # correlations in units of σ
        broken = ~factorises(factor, scale**2).unsqueeze(-1)
        return dist.LowRankMultivariateNormal(
            loc.masked_fill(broken, torch.nan),
            factor.masked_fill(broken.unsqueeze(-1), 0.0),
            (scale**2).masked_fill(broken, 1.0),
        )


@torch.no_grad()
def factorises(
    factor: Float[Tensor, " *N latent rank"], variance: Float[Tensor, " *N latent"]
) -> Bool[Tensor, " *N"]:
    """Whether I + FᵀD⁻¹F has a Cholesky factor, which torch's distribution takes: it raises for all rows if one has none."""
    capacitance = (
        torch.eye(factor.shape[-1]).to(factor) + factor.mT / variance.unsqueeze(-2) @ factor
    )
    lower, info = torch.linalg.cholesky_ex(capacitance)
    return (info == 0) & lower.isfinite().flatten(-2).all(-1)
