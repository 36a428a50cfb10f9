"""q(z|x) = N(μ(x), L(x) L(x)ᵀ)."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from guides.families.base import Family, posterior_scale
from models.distributions import Distribution


class FullCovariance(Family):
    """A normal with any covariance.

    h holds μ, the raw diagonal of the Cholesky factor L, and what is below the diagonal.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.num_parameters = 2 * latent_dim + latent_dim * (latent_dim - 1) // 2
        rows, columns = torch.tril_indices(latent_dim, latent_dim, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        """Returns the normal with L = diag(σ) U, where U has a unit diagonal."""
        loc, raw_diagonal, below = h.tensor_split([self.latent_dim, 2 * self.latent_dim], dim=-1)
        scale = posterior_scale(raw_diagonal)
        unit = torch.diag_embed(torch.ones_like(scale))
        # In units of σ, and divided by the number of dimensions: otherwise a row of many raw
        # numbers would outweigh the diagonal at the start.
        unit[..., self.rows, self.columns] = below / self.latent_dim
        cholesky = scale.unsqueeze(-1) * unit
        return dist.MultivariateNormal(loc, scale_tril=cholesky)
