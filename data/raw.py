"""What a source hands over: values as they are stored, before they are put into a space."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.distributions import Distribution


@dataclass(frozen=True)
class RawSplit:
    """Values `(N, *shape)` (numpy, possibly memory-mapped, or torch) and, where known, integer labels `(N,)`."""

    values: np.ndarray | Tensor
    labels: np.ndarray | Tensor | None = None

    def head(self, limit: int | None) -> "RawSplit":
        """The first `limit` examples (all if None)."""
        return RawSplit(self.values[:limit], None if self.labels is None else self.labels[:limit])


@dataclass(frozen=True)
class RawData:
    """Three splits. `levels` is the number of grey levels 0..levels-1 of quantised data, None for others.

    `truth`, where the data were drawn from a known distribution, is that distribution (`.log_prob(x)`).
    """

    train: RawSplit
    valid: RawSplit
    test: RawSplit
    levels: int | None
    truth: Distribution | None = None


def split_off(values: RawSplit, count: int) -> tuple[RawSplit, RawSplit]:
    """All but the last `count` examples, and the last `count`."""
    labels = values.labels
    return (
        RawSplit(values.values[:-count], None if labels is None else labels[:-count]),
        RawSplit(values.values[-count:], None if labels is None else labels[-count:]),
    )
