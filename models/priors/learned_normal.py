"""p(z) = N(μ, diag σ²), μ and σ learned."""

import pyro.distributions as dist
import torch
from torch import nn

from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus, positive
from models.priors.base import Prior


class LearnedNormal(Prior):
    """A diagonal normal that starts at N(0, I).

    It adds no freedom to a decoder that can shift and scale z.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(latent_dim))
        self.raw_scale = nn.Parameter(torch.full((latent_dim,), inverse_softplus(1.0)))

    def forward(self) -> Distribution:
        return dist.Normal(self.loc, positive(self.raw_scale)).to_event(1)
