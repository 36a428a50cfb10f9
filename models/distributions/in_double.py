"""Densities whose terms are large: float64 inside, whatever the precision of the network."""

from collections.abc import Callable

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.distributions.base import Distribution, Shape


class InDouble(dist.Independent):
    """Independent dimensions, whose log-density is computed and returned in float64.

    A log-density is often a small difference of large numbers, and float32 keeps only seven digits
    of each. Draws and moments are those in the precision of h.

    Arguments:
        each: h ↦ the distribution of every dimension, computed in the precision of h.
        h: (*batch, *parameters).
        dimensions: how many dimensions the event has.
    """

    def __init__(
        self, each: Callable[[Tensor], Distribution], h: Float[Tensor, " *h"], dimensions: int
    ) -> None:
        self.each, self.h = each, h
        super().__init__(each(h.double()), dimensions, validate_args=False)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "InDouble":
        parameters = self.h.shape[len(self.batch_shape) :]
        return InDouble(self.each, self.h.expand(*batch_shape, *parameters), len(self.event_shape))

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float64[Tensor, " *batch"]:
        """Returns the log-density in nats, summed over the event."""
        return super().log_prob(value.double())

    def log_factors(self, value: Float[Tensor, " *value"]) -> Float64[Tensor, " *batch_and_shape"]:
        """Returns the log-density of each dimension by itself, (*batch, *shape)."""
        return self.base_dist.log_prob(value.double())

    @property
    def in_precision(self) -> Distribution:
        """The same distribution in the precision of h."""
        return self.each(self.h).to_event(len(self.event_shape))

    @property
    def mean(self) -> Float[Tensor, " *batch_and_shape"]:
        """The mean, in the precision of h."""
        return self.in_precision.mean

    @property
    def variance(self) -> Float[Tensor, " *batch_and_shape"]:
        """The variance, in the precision of h."""
        return self.in_precision.variance

    def rsample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch_and_shape"]:
        """Draws with gradients, in the precision of h."""
        return self.in_precision.rsample(torch.Size(sample_shape))

    def sample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch_and_shape"]:
        """Draws in the precision of h."""
        return self.in_precision.sample(torch.Size(sample_shape))
