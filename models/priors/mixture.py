"""p(z) = Σ_k π_k N(z; μ_k, diag σ_k²), all learned."""

import math

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from torch import nn

from errors import RequestError
from models.mixtures import SharedMixture


class Mixture(nn.Module):
    """K = `components` diagonal normals with equal weights at the start, their means drawn from N(0, I)."""

    def __init__(self, latent_dim: int, components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise RequestError(f"prior.components={components}: must be at least 1")
        self.logits = nn.Parameter(torch.zeros(components))
        self.locs = nn.Parameter(torch.randn(components, latent_dim))
        self.raw_scales = nn.Parameter(
            torch.full((components, latent_dim), math.log(math.expm1(1.0)))
        )

    def forward(self) -> dist.TorchDistribution:
        normals = dist.Normal(self.locs, F.softplus(self.raw_scales)).to_event(1)
        return SharedMixture(dist.Categorical(logits=self.logits), normals)
