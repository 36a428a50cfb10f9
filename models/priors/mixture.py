"""p(z) = Σ_k π_k N(z; μ_k, diag σ_k²), all learned."""

import pyro.distributions as dist
import torch
from torch import nn

from models.distributions import Distribution, SharedMixture
from models.distributions.softplus import inverse_softplus, positive
from models.priors.base import Prior


class Mixture(Prior):
    """Diagonal normals, K = `components` of them.

    They start with equal weights, unit scales, and means drawn from N(0, I).
    """

    def __init__(self, latent_dim: int, components: int = 10) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"components={components}: must be at least 1")
        self.logits = nn.Parameter(torch.zeros(components))
        self.locs = nn.Parameter(torch.randn(components, latent_dim))
        raw_scales = torch.full((components, latent_dim), inverse_softplus(1.0))
        self.raw_scales = nn.Parameter(raw_scales)

    def forward(self) -> Distribution:
        normals = dist.Normal(self.locs, positive(self.raw_scales)).to_event(1)
        return SharedMixture(dist.Categorical(logits=self.logits), normals)
