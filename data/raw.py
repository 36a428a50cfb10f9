"""What a source returns: values as they are stored, before they are put into a space."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.distributions import Distribution

from data.mapped import Mapped
from data.names import SPLITS
from data.origins import Origins

# Passes over all values read this many numbers at a time: the file may be larger than memory.
NUMBERS_AT_A_TIME = 2**20
FEWEST = 10


@dataclass(frozen=True)
class RawSplit:
    """The values `(N, *shape)` and, where they are known, labels `(N,)` (see `data.labels`).

    The values are a numpy array, possibly memory-mapped, or a tensor. Without `origins` they are
    rows, which are counted.
    """

    values: np.ndarray | Tensor
    labels: np.ndarray | None = None
    origins: Origins | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def named(self) -> Origins:
        """Where the examples come from."""
        return self.origins or Origins.counted(len(self))

    def rows(self, which: slice | np.ndarray) -> "RawSplit":
        """Returns the examples that `which` picks."""
        labels = None if self.labels is None else self.labels[which]
        return RawSplit(self.values[which], labels, self.named.rows(which))

    def split_off(self, count: int) -> tuple["RawSplit", "RawSplit"]:
        """Returns all but the last `count` examples, and the last `count`."""
        return self.rows(slice(None, -count)), self.rows(slice(-count, None))


@dataclass(frozen=True)
class RawData:
    """Three splits. Quantised data have `levels` grey levels 0..levels-1; others have None.

    `truth` is the distribution that the data were drawn from, where it is known. `notes` say what
    a user should know of how the files became these values, in one line each.
    `standardise` asks for the units of real columns. `columns` are the names of the numbers of a
    datum, where they have names.
    """

    train: RawSplit
    valid: RawSplit
    test: RawSplit
    levels: int | None
    truth: Distribution | None = None
    notes: tuple[str, ...] = ()
    standardise: bool = False
    columns: tuple[str, ...] | None = None

    @property
    def splits(self) -> dict[str, RawSplit]:
        return dict(zip(SPLITS, (self.train, self.valid, self.test), strict=True))


def by_tenths(path: str, examples: RawSplit) -> tuple[RawSplit, RawSplit, RawSplit]:
    """Returns train, valid and test: the last tenth is test and the tenth before it is valid.

    Raises:
        ValueError: the file or folder `path` holds too few examples.
    """
    if len(examples) < FEWEST:
        raise ValueError(
            f"path={path}: {len(examples)} examples are too few to split; at least {FEWEST}"
        )
    tenth = len(examples) // 10
    rest, test = examples.split_off(tenth)
    return (*rest.split_off(tenth), test)


def permuted(examples: RawSplit, order: np.ndarray) -> RawSplit:
    """Returns all examples in another order, in memory, and as they are stored there."""
    place = np.argsort(order)
    values = np.asanyarray(examples.values)
    kept = np.empty(values.shape, as_stored(values[:0]).dtype)
    for start, block in blocks(values):
        kept[place[start : start + len(block)]] = as_stored(block)
    labels = None if examples.labels is None else examples.labels[order]
    return RawSplit(kept, labels, examples.named.rows(order))


def as_stored(values: np.ndarray) -> np.ndarray:
    """Returns bytes and bits as uint8, and other numbers of any type and byte order as float32.

    >>> as_stored(np.array([1, 2], ">u4"))
    array([1., 2.], dtype=float32)
    """
    small = values.dtype in (np.uint8, np.bool_)
    return values.astype(np.uint8 if small else np.float32, copy=False)


def blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields all rows in order, a few at a time: the number of the first one, and a copy."""
    size = max(1, NUMBERS_AT_A_TIME // max(1, math.prod(values.shape[1:])))
    file = Mapped.of(values)
    for start in range(0, len(values), size):
        stop = start + size
        yield start, np.array(values[start:stop]) if file is None else file.read(start, stop)
