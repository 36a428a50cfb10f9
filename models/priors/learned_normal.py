"""p(z) = N(μ, diag σ²), μ and σ learned."""

import math

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from torch import nn


class LearnedNormal(nn.Module):
    """A diagonal normal that starts at N(0, I). With a decoder that can shift and scale z it adds no freedom."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(latent_dim))
        self.raw_scale = nn.Parameter(torch.full((latent_dim,), math.log(math.expm1(1.0))))

    def forward(self) -> dist.TorchDistribution:
        return dist.Normal(self.loc, F.softplus(self.raw_scale)).to_event(1)
