"""q(z|x) = N(μ(x), F(x) F(x)ᵀ + diag σ²(x))."""

import pyro.distributions as dist
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from guides.families.base import Family, posterior_scale
from models.distributions import Distribution


class LowRank(Family):
    """A normal of covariance rank r plus a diagonal: h holds μ, the raw σ and F (latent × r)."""

    def __init__(self, latent_dim: int, rank: int = 1) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank={rank}: must be at least 1; mean_field is what rank 0 would be")
        self.latent_dim, self.rank = latent_dim, rank
        self.num_parameters = (2 + rank) * latent_dim

    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        """Returns the normal.

        Where a row of h makes no covariance (because it is NaN, say), μ is NaN; the distributions
        of the other rows are unchanged.
        """
        loc, raw_scale, raw_factor = h.tensor_split([self.latent_dim, 2 * self.latent_dim], dim=-1)
        scale = posterior_scale(raw_scale)
        # The factor is in units of σ, so that it sets correlations.
        factor = scale.unsqueeze(-1) * raw_factor.unflatten(-1, (self.latent_dim, self.rank))
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
    """Tells, row by row, whether I + FᵀD⁻¹F has a Cholesky factor.

    torch's distribution computes that factor, and raises for all rows if one of them has none.
    """
    scaled = factor.mT / variance.unsqueeze(-2)
    capacitance = torch.eye(factor.shape[-1]).to(factor) + scaled @ factor
    lower, info = torch.linalg.cholesky_ex(capacitance)
    return (info == 0) & lower.isfinite().flatten(-2).all(-1)
