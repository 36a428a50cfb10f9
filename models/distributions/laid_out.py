"""Rows of a distribution, laid out in the batch dimensions that Pyro's enumeration makes."""

from typing import ClassVar

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import constraints

from models.distributions.base import Distribution, Shape


class LaidOut(dist.TorchDistribution):
    """The distribution whose draws are those of `law`, in other batch dimensions.

    Enumeration multiplies the densities of several sites, which must be of one precision: the
    log-density is rounded to `dtype`, in whatever precision it is computed.

    Arguments:
        law: has batch_shape (rows,).
        batch_shape: has as many elements.
        dtype: that of the log-density.

    Example:
        >>> LaidOut(dist.Normal(torch.zeros(6), 1.0), (3, 2), torch.float32).sample().shape
        torch.Size([3, 2])
    """

    arg_constraints: ClassVar = {}

    def __init__(self, law: Distribution, batch_shape: Shape, dtype: torch.dtype) -> None:
        self.law, self.dtype = law, dtype
        # A flow without an inverse knows the density of the very tensor that it has drawn.
        self.drawn: tuple[Tensor, Tensor] | None = None
        super().__init__(torch.Size(batch_shape), law.event_shape, validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether draws have gradients."""
        return bool(self.law.has_rsample)

    @property
    def support(self) -> constraints.Constraint:
        """The support of the law."""
        return self.law.support

    def rsample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch_and_event"]:
        """Draws with gradients."""
        rows = self.law.rsample(torch.Size(sample_shape))
        value = rows.unflatten(len(sample_shape), self.batch_shape)
        self.drawn = value, rows
        return value

    def sample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch_and_event"]:
        """Draws without gradients."""
        rows = self.law.sample(torch.Size(sample_shape))
        return rows.unflatten(len(sample_shape), self.batch_shape)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-density in nats."""
        if self.drawn is not None and value is self.drawn[0]:
            rows = self.drawn[1]
        else:
            whole = value.expand(*self.batch_shape, *self.event_shape)
            rows = whole.flatten(0, len(self.batch_shape) - 1)
        return self.law.log_prob(rows).unflatten(0, self.batch_shape).to(self.dtype)


def laid_out(law: Distribution, batch_shape: Shape, dtype: torch.dtype) -> Distribution:
    """Returns `law` as it is for a batch of rows, and laid out for any other."""
    return law if len(batch_shape) == 1 else LaidOut(law, batch_shape, dtype)
