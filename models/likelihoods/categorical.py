"""p(x|z) = Π softmax(h_i)[x_i], for x in {0, …, levels − 1}."""

from typing import ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions import constraints
from torch import Tensor

from models.distributions import Distribution, Shape
from models.likelihoods.base import Likelihood


class Categorical(Likelihood):
    """Gives each level of each dimension a probability of its own.

    It can be any distribution of one pixel, at the price of `levels` outputs for each.
    """

    spaces = ("bytes",)

    def __init__(self, shape: tuple[int, ...], levels: int | None) -> None:
        if levels is None:
            raise ValueError("levels=null: must be a number of levels; the data are not quantised")
        super().__init__(shape, parameters_per_dimension=levels)
        self.levels = levels

    def forward(self, h: Float[Tensor, " N levels *shape"]) -> Distribution:
        return Levels(h, self.shape)

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " levels *shape"]:
        # The binomial is a distribution of one pixel that is easily started at a mean.
        fraction = (mean / (self.levels - 1)).clamp(1e-2, 1 - 1e-2)
        binomial = dist.Binomial(self.levels - 1, probs=fraction)
        level = torch.arange(self.levels).reshape(-1, *[1] * len(self.shape))
        return binomial.log_prob(level.to(mean)).clamp(min=-10)


class Levels(dist.TorchDistribution):
    """Independent categoricals on the numbers 0, …, levels − 1, over an event of `shape`.

    torch's Categorical wants the levels in the last dimension, and normalises them first: two more
    passes over the largest tensor of the model. Its samples are indices; these are floats, as the
    data are, so that they can be encoded.

    Arguments:
        logits: (*batch, levels, *shape), with the levels where a decoder puts them.
        shape: the shape of the event.
    """

    arg_constraints: ClassVar = {"logits": constraints.real}

    def __init__(
        self,
        logits: Float[Tensor, " *logits"],
        shape: Shape,
        validate_args: bool | None = None,
    ) -> None:
        self.logits, self.levels_dim = logits, -1 - len(shape)
        batch_shape = logits.shape[: self.levels_dim]
        super().__init__(batch_shape, torch.Size(shape), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> constraints.Constraint:
        """The whole numbers 0, …, levels − 1, as floats."""
        each = constraints.integer_interval(0, self.logits.shape[self.levels_dim] - 1)
        return constraints.independent(each, len(self.event_shape))

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Levels":
        logits = self.logits.expand(*batch_shape, *self.logits.shape[self.levels_dim :])
        return Levels(logits, self.event_shape, False)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-mass in nats, summed over the event."""
        return self.log_factors(value).flatten(self.levels_dim + 1).sum(-1)

    def log_factors(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch_and_shape"]:
        """Returns the log-mass of each dimension by itself, (*batch, *shape)."""
        if self._validate_args:
            self._validate_sample(value)
        whole = torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape)
        batch = whole[: self.levels_dim + 1]
        dimensions = self.event_shape.numel()
        logits = self.expand(batch).logits.reshape(
            -1, self.logits.shape[self.levels_dim], dimensions
        )
        levels = value.long().expand(whole).reshape(-1, dimensions)
        # Improbable levels have large terms, of which float32 would keep too few digits.
        return -F.cross_entropy(logits.double(), levels, reduction="none").reshape(whole)

    @property
    def mean(self) -> Float[Tensor, " *batch_and_shape"]:
        """Σ_k k p_k of each dimension, (*batch, *shape)."""
        probabilities = self.logits.softmax(self.levels_dim).movedim(self.levels_dim, -1)
        return probabilities @ torch.arange(probabilities.shape[-1]).to(self.logits)

    def sample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch_and_shape"]:
        each = torch.distributions.Categorical(logits=self.logits.movedim(self.levels_dim, -1))
        return each.sample(torch.Size(sample_shape)).to(self.logits.dtype)
