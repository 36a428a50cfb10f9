"""What a source hands over: values as they are stored, before they are put into a space."""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.distributions import Distribution

NUMBERS_AT_A_TIME = 2**20
"""In passes over all values: the file may be larger than memory."""


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


def read_rows(values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """A copy of some rows. Pages of a memory-mapped array are handed back at once: read from end to end, the array takes
    no more of this process's memory than a few rows of it."""
    rows = np.array(values[start:stop])
    mapped = getattr(values, "_mmap", None)
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
    return rows


def blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """All rows in order, a little at a time: the number of the first, and a copy."""
    size = max(1, NUMBERS_AT_A_TIME // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), size):
        yield start, read_rows(values, start, start + size)


def split_off(values: RawSplit, count: int) -> tuple[RawSplit, RawSplit]:
    """All but the last `count` examples, and the last `count`."""
    labels = values.labels
    return (
        RawSplit(values.values[:-count], None if labels is None else labels[:-count]),
        RawSplit(values.values[-count:], None if labels is None else labels[-count:]),
    )
