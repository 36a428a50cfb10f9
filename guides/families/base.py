"""What every posterior family declares."""

import math
from abc import ABC, abstractmethod

import pyro.distributions as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_SOFTPLUS_OF_ONE = math.log(math.expm1(1.0))


class Family(nn.Module, ABC):
    """q(z|h) over one datum's z, where h (N, num_parameters) is what the encoder makes of x."""

    num_parameters: int

    @abstractmethod
    def forward(self, h: Float[Tensor, "N parameters"]) -> dist.TorchDistribution:
        """The distribution: batch_shape (N,), event_shape (latent_dim,)."""


def positive(raw: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """ℝ → (0, ∞), 0 ↦ 1. Softplus and not exp: an unbounded log-scale is the usual source of NaN."""
    return F.softplus(raw + _SOFTPLUS_OF_ONE)
