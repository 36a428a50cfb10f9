"""What every posterior family declares."""

import math
from abc import ABC, abstractmethod

import pyro.distributions as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Family(nn.Module, ABC):
    """q(z|h) over one datum's z, where h (N, num_parameters) is what the encoder makes of x."""

    num_parameters: int

    @abstractmethod
    def forward(self, h: Float[Tensor, " N parameters"]) -> dist.TorchDistribution:
        """The distribution: batch_shape (N,), event_shape (latent_dim,)."""


def positive(raw: Float[Tensor, " *shape"], at_zero: float = 1.0) -> Float[Tensor, " *shape"]:
    """ℝ → (0, ∞), 0 ↦ `at_zero`. Softplus and not exp: an unbounded log-scale is the usual source of NaN."""
    return F.softplus(raw + math.log(math.expm1(at_zero)))


def posterior_scale(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """σ of q, 0.1 where training starts: a posterior as wide as the prior tells the decoder little, and many latent
    dimensions would switch off in the first epoch for good."""
    return positive(raw, at_zero=0.1)
