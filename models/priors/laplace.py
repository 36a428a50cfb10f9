"""p(z) = Π Laplace(z_j; 0, 1/√2): a sparser prior of unit variance."""

import math

import pyro.distributions as dist
import torch
from torch import Tensor

from models.distributions import Distribution
from models.priors.base import Prior


class Laplace(Prior):
    """Independent Laplace distributions of unit variance, without parameters."""

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.full((latent_dim,), math.sqrt(0.5)), persistent=False)

    def forward(self) -> Distribution:
        return dist.Laplace(self.loc, self.scale).to_event(1)
