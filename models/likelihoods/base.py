"""What every likelihood declares."""

from abc import ABC, abstractmethod
from typing import ClassVar

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor, nn


class Likelihood(nn.Module, ABC):
    """p(x|h) over one datum of `shape`, where h (N, *parameter_shape) is what the decoder makes of z."""

    spaces: ClassVar[tuple[str, ...]]

    def __init__(self, shape: tuple[int, ...], parameters_per_dimension: int = 1) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.parameter_shape = self.shape if parameters_per_dimension == 1 else (parameters_per_dimension, *self.shape)

    @abstractmethod
    def forward(self, h: Float[Tensor, "N *parameter_shape"]) -> dist.TorchDistribution:
        """The distribution: batch_shape (N,), event_shape `shape`."""

    @abstractmethod
    def start(self, mean: Float[Tensor, "*shape"]) -> Float[Tensor, "*parameter_shape"]:
        """The decoder's output at which E[x|z] is the training mean."""

    def mean(self, h: Float[Tensor, "N *parameter_shape"]) -> Float[Tensor, "N *shape"]:
        """E[x|z]."""
        return self(h).mean
