"""What a Pyro program is called with: the columns of some data, one row a datum."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor


@runtime_checkable
class HasArray(Protocol):
    """What NumPy makes an array of: a DataFrame, say."""

    def __array__(self) -> np.ndarray:
        """Returns the array."""


# A column of numbers, a row a datum.
Column = Tensor | np.ndarray | HasArray

# What public functions take: a batch, or its columns, or x alone.
Data = Column | Sequence[Column]


class Batch(tuple[Tensor, ...]):
    """The columns of some data: x first, then whatever else the programs take (labels, say).

    `program(*batch)` calls a program with it. `len(batch)` is the number of columns, `batch.size`
    that of the data.

    >>> batch = Batch.of(torch.zeros(4, 3))
    >>> batch.size, len(batch), batch.first(2).size, [part.size for part in batch.parts(3)]
    (4, 1, 2, [3, 1])
    """

    @classmethod
    def of(cls, given: Data) -> "Batch":
        """Returns `given` as a batch: a tensor, an array or a DataFrame is its only column.

        Raises ValueError if it is not made of columns of numbers with as many rows each.
        """
        if isinstance(given, Batch):
            return given
        columns = given if isinstance(given, Sequence) else [given]
        batch = cls(as_tensor(column) for column in columns)
        rows = [len(column) for column in batch]
        if not batch or len(set(rows)) > 1:
            raise ValueError(f"x has columns of {rows} rows: give one or more, with a row a datum")
        return batch

    @classmethod
    def some(cls, given: Data) -> "Batch":
        """Returns `given` as a batch; raises ValueError if it holds no data."""
        batch = cls.of(given)
        if batch.size < 1:
            raise ValueError("x has no rows: there is nothing to measure")
        return batch

    @property
    def x(self) -> Tensor:
        """The data themselves, (size, *shape)."""
        return self[0]

    @property
    def others(self) -> tuple[Tensor, ...]:
        return tuple(self[1:])

    @property
    def size(self) -> int:
        return len(self[0])

    @property
    def device(self) -> torch.device:
        """The device that the columns are on."""
        return self[0].device

    def rows(self, which: slice | Tensor) -> "Batch":
        """Returns the data that `which` picks."""
        return Batch(column[which] for column in self)

    def first(self, count: int) -> "Batch":
        """Returns the first `count` data, or all if there are fewer."""
        return self.rows(slice(count))

    def parts(self, size: int) -> Iterator["Batch"]:
        """Yields the data in order, `size` at a time; the last part is as short as it must be."""
        return (Batch(part) for part in zip(*(c.split(size) for c in self), strict=True))

    def repeat(self, times: int) -> "Batch":
        """Returns every column `times` over, (times·size, …), the index of the datum fastest."""
        return Batch(repeat_rows(column, times) for column in self)

    def with_x(self, x: Tensor) -> "Batch":
        """Returns the same columns beside other data."""
        return Batch((x, *self.others))


def as_tensor(column: object) -> Tensor:
    """Returns a column as a tensor.

    Raises ValueError for what is no tensor and no array of numbers, or has no rows to count.
    """
    if isinstance(column, HasArray) and not isinstance(column, Tensor | np.ndarray):
        column = np.array(column)
    if isinstance(column, np.ma.MaskedArray):
        raise ValueError(
            "x is a masked array, and what is hidden would be counted: give the values and a mask, "
            "each as a column, or leave the masked rows out"
        )
    if isinstance(column, np.ndarray):
        try:
            native = column.astype(column.dtype.newbyteorder("="), copy=False)
            column = torch.as_tensor(np.require(native, requirements="C"))
        except TypeError as error:
            raise ValueError(
                f"x has a NumPy array of {column.dtype}, which torch lacks; give float32, say"
            ) from error
    if isinstance(column, Tensor) and (kind := _unusual(column)):
        raise ValueError(f"x is a {kind} tensor: give dense real numbers, a row a datum")
    if not isinstance(column, Tensor) or column.dim() == 0:
        given = "a single number" if isinstance(column, Tensor) else type(column).__name__
        raise ValueError(
            f"x has {given} for a column: give a tensor or a NumPy array with a row a datum, "
            "or a tuple of them"
        )
    return column


def _unusual(column: Tensor) -> str | None:
    """Returns the kind of a tensor that holds no dense real numbers, or None."""
    kinds = {
        "nested": column.is_nested,
        "meta": column.is_meta,
        "sparse": column.layout != torch.strided,
        "quantized": column.is_quantized,
        "complex": column.is_complex(),
    }
    return next((kind for kind, it_is in kinds.items() if it_is), None)


def repeat_rows(column: Tensor, times: int) -> Tensor:
    """Returns `column` (size, …) as (times·size, …), the index of the datum fastest."""
    return column if times == 1 else column.repeat(times, *[1] * (column.dim() - 1))
