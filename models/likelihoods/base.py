"""What every likelihood declares."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Likelihood(nn.Module, ABC):
    """p(x|h) over one datum of `shape`, where h (N, *parameter_shape) is what the decoder makes of z."""

    spaces: ClassVar[tuple[str, ...]]

    def __init__(self, shape: tuple[int, ...], parameters_per_dimension: int = 1) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.parameter_shape = (
            self.shape if parameters_per_dimension == 1 else (parameters_per_dimension, *self.shape)
        )

    @abstractmethod
    def forward(self, h: Float[Tensor, " N *parameter_shape"]) -> dist.TorchDistribution:
        """The distribution: batch_shape (N,), event_shape `shape`."""

    @abstractmethod
    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *parameter_shape"]:
        """The decoder's output at which E[x|z] is the training mean."""

    def mean(self, h: Float[Tensor, " N *parameter_shape"]) -> Float[Tensor, " N *shape"]:
        """E[x|z]."""
        return self(h).mean

    def unbind(
        self, h: Float[Tensor, " N parameters *shape"]
    ) -> tuple[Float[Tensor, " N *shape"], ...]:
        """The several parameters of every dimension, each (N, *shape)."""
        return h.unbind(-1 - len(self.shape))

    @property
    def note(self) -> str | None:
        """What a reader of this run's numbers should know, in one line; printed when training starts."""
        return None

    @classmethod
    def misfit(cls, space: str, dimensions: int) -> str | None:
        """Why this is no distribution on `space`, where that is worth a sentence; `dimensions` is D of the data."""
        return None

    @property
    def couples_data(self) -> str | None:
        """Why log p(x|z) of one datum depends on the others of its batch while training, if it does. (Objectives may have
        this, too.) Several processes, which see a part of each batch, cannot train with it."""
        return None

    @property
    def needs_calibration(self) -> bool:
        """Whether `calibrate` has something to set."""
        return False

    def calibrate(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Set what is estimated from the training set and not by gradients, from (h, x) with z drawn from the guide.

        Called before every measurement where `needs_calibration`; what is set is part of the state.
        """


def inverse_softplus(value: float) -> float:
    """The number whose softplus is `value` > 0."""
    return value + math.log(-math.expm1(-value))


def softplus_start(mean: Float[Tensor, " *shape"], least: float) -> Float[Tensor, " *shape"]:
    """The h at which softplus(h) is `mean`; `least` only bounds where training starts, not the model."""
    mean = mean.clamp(min=least)
    return mean + torch.log(-torch.expm1(-mean))


def positive(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """ℝ → (0, ∞). Softplus and not exp: an unbounded log-scale is the usual source of NaN."""
    return F.softplus(raw)
