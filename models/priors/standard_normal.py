"""p(z) = N(0, I)."""

import pyro.distributions as dist
import torch
from torch import Tensor, nn


class StandardNormal(nn.Module):
    """The standard normal prior. No parameters."""

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        # Buffers, not constants: they follow the model to its device and dtype. Not part of the state.
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> dist.TorchDistribution:
        return dist.Normal(self.loc, self.scale).to_event(1)
