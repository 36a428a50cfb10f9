"""p(z) = N(0, I)."""

import pyro.distributions as dist
import torch
from torch import Tensor

from models.distributions import Distribution
from models.priors.base import Prior


class StandardNormal(Prior):
    """The standard normal, which has no parameters."""

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        # Buffers follow the model to its device and dtype; these are not part of the state.
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> Distribution:
        return dist.Normal(self.loc, self.scale).to_event(1)
