"""p(x|z) = Π softmax(h_i)[x_i], for x in {0, …, levels − 1}."""

from typing import Any, ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions import constraints
from torch import Tensor

from errors import RequestError
from models.likelihoods.base import Likelihood


class Categorical(Likelihood):
    """One free probability per level and dimension: any distribution of one pixel, at `levels` outputs for each."""

    spaces = ("bytes",)

    def __init__(self, shape: tuple[int, ...], levels: int | None) -> None:
        if levels is None:
            raise RequestError(
                "likelihood=categorical: the data are not quantised (data.levels is null)"
            )
        super().__init__(shape, parameters_per_dimension=levels)
        self.levels = levels

    def forward(self, h: Float[Tensor, " N levels *shape"]) -> dist.TorchDistribution:
        return Levels(h, self.shape)

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " levels *shape"]:
        # The binomial with this mean: of the distributions of one pixel that are easily started at a mean.
        fraction = (mean / (self.levels - 1)).clamp(1e-2, 1 - 1e-2)
        level = torch.arange(self.levels).reshape(-1, *[1] * len(self.shape))
        return (
            dist.Binomial(self.levels - 1, probs=fraction).log_prob(level.to(mean)).clamp(min=-10)
        )


class Levels(dist.TorchDistribution):
    """Independent categoricals on the numbers 0, …, levels − 1, over an event of `shape`; `logits` (*batch, levels, *shape)
    have the levels where a decoder puts them.

    torch's Categorical wants them last, and normalises them first: two more passes over the largest tensor of the model.
    Its samples are indices; these are floats, as the data are, so that they can be encoded.
    """

    arg_constraints: ClassVar = {"logits": constraints.real}

    def __init__(
        self, logits: Float[Tensor, " ..."], shape: Any, validate_args: bool | None = None
    ) -> None:
        self.logits, self.levels_dim = logits, -1 - len(shape)
        super().__init__(
            logits.shape[: self.levels_dim], torch.Size(shape), validate_args=validate_args
        )

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> Any:
        """Whole numbers 0, …, levels − 1, as floats."""
        each = constraints.integer_interval(0, self.logits.shape[self.levels_dim] - 1)
        return constraints.independent(each, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> "Levels":
        return Levels(
            self.logits.expand(*batch_shape, *self.logits.shape[self.levels_dim :]),
            self.event_shape,
            False,
        )

    def log_prob(self, value: Float[Tensor, " ..."]) -> Float[Tensor, " *batch"]:
        """log-mass, nats, summed over the event."""
        return self.log_factors(value).flatten(self.levels_dim + 1).sum(-1)

    def log_factors(self, value: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
        """The log-mass of each dimension by itself, (*batch, *shape)."""
        if self._validate_args:
            self._validate_sample(value)
        batch = torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape)[
            : self.levels_dim + 1
        ]
        logits = self.expand(batch).logits.reshape(
            -1, self.logits.shape[self.levels_dim], self.event_shape.numel()
        )
        levels = value.long().expand(batch + self.event_shape).reshape(-1, self.event_shape.numel())
        return -F.cross_entropy(logits, levels, reduction="none").reshape(batch + self.event_shape)

    @property
    def mean(self) -> Float[Tensor, " ..."]:
        """Σ_k k p_k of each dimension, (*batch, *shape)."""
        probabilities = self.logits.softmax(self.levels_dim).movedim(self.levels_dim, -1)
        return probabilities @ torch.arange(probabilities.shape[-1]).to(self.logits)

    def sample(self, sample_shape: Any = ()) -> Float[Tensor, " ..."]:
        """Levels as floats."""
        each = torch.distributions.Categorical(logits=self.logits.movedim(self.levels_dim, -1))
        return each.sample(torch.Size(sample_shape)).to(self.logits.dtype)
