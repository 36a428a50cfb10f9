"""What a Pyro program is called with: the columns of some data, one row a datum."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

# What public functions take: a batch, or its columns, or x alone.
Data = Tensor | tuple[Tensor, ...]


class Batch(tuple[Tensor, ...]):
    """The columns of some data: x first, then whatever else the programs take (labels, say).

    `program(*batch)` calls a program with it. `len(batch)` is the number of columns, `batch.size`
    that of the data.

    >>> batch = Batch.of(torch.zeros(4, 3))
    >>> batch.size, len(batch), batch.first(2).size, [part.size for part in batch.parts(3)]
    (4, 1, 2, [3, 1])
    """

    @classmethod
    def of(cls, given: "Tensor | Sequence[Tensor]") -> "Batch":
        """Returns `given` as a batch: a tensor is its only column."""
        return cls((given,) if isinstance(given, Tensor) else given)

    @property
    def x(self) -> Tensor:
        """The data themselves, (size, *shape)."""
        return self[0]

    @property
    def others(self) -> tuple[Tensor, ...]:
        """The columns beside x."""
        return tuple(self[1:])

    @property
    def size(self) -> int:
        """The number of data."""
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


def repeat_rows(column: Tensor, times: int) -> Tensor:
    """Returns `column` (size, …) as (times·size, …), the index of the datum fastest."""
    return column if times == 1 else column.repeat(times, *[1] * (column.dim() - 1))
