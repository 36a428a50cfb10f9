"""Where stored values are: in memory on the device, or on disk (`data.streaming`)."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int, Num
from torch import Tensor

from data.observation import Draw

# Passes over all values take this many numbers at a time.
FLOATS_AT_A_TIME = 2**20
# Noise that is drawn once has one seed for this many values: to see a few of them, so many are
# drawn again.
FLOATS_PER_SEED = 2**23


class Storage(ABC):
    """Rows of values `(N, *shape)`, uint8 or float32; `shape` is that of all of them."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self.shape, self.device = shape, device

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: slice | Int[Tensor, " rows"]) -> Num[Tensor, " rows ..."]:
        """Returns the rows that a slice or an index picks, on the device."""

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """Yields all rows in order, a few at a time: the number of the first one, and values."""
        size = rows_of(FLOATS_AT_A_TIME, self.shape)
        for start in range(0, len(self), size):
            yield start, self[start : start + size]

    def sampled(self) -> Iterator[Tensor]:
        """Yields the values that are hashed, on the CPU: all of them, a few rows at a time."""
        return (values.cpu() for _, values in self.blocks())

    @abstractmethod
    def shuffled(self, size: int, part: int, parts: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Returns an iterator over all rows, which gives batches as (numbers, values).

        Their order is drawn from torch's generator when this is called.
        """

    @abstractmethod
    def drawn(self, draw: Draw, seed: int) -> "Storage":
        """Returns values whose noise is drawn once.

        They are the same in memory and on disk, and on every device.
        """

    @abstractmethod
    def to(self, device: torch.device | str) -> "Storage":
        """Returns the same rows on `device`."""


class InMemory(Storage):
    """Keeps all rows in one tensor in memory."""

    def __init__(self, values: Num[Tensor, " N ..."]) -> None:
        super().__init__(tuple(values.shape), values.device)
        self.values = values

    def __getitem__(self, rows: slice | Int[Tensor, " rows"]) -> Num[Tensor, " rows ..."]:
        return self.values[rows]

    def shuffled(self, size: int, part: int, parts: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffles by one permutation of all rows; every part takes its share of each batch."""
        order = torch.randperm(len(self), device=self.device)
        batches = (index.tensor_split(parts)[part] for index in order.split(size))
        return ((index, self.values[index]) for index in batches)

    def drawn(self, draw: Draw, seed: int) -> "InMemory":
        """Draws all values at once, in blocks that have a seed each, as on disk."""
        blocks = self.values.split(rows_of(FLOATS_PER_SEED, self.shape))
        drawn = [drawn_once(block, draw, seed, number) for number, block in enumerate(blocks)]
        return InMemory(torch.cat(drawn))

    def to(self, device: torch.device | str) -> "InMemory":
        return InMemory(self.values.to(device))


def rows_of(floats: int, shape: tuple[int, ...]) -> int:
    """Returns how many rows of values `(N, *shape)` have that many numbers; at least one.

    >>> rows_of(1000, (50, 8, 8))
    15
    """
    return max(1, floats // max(1, math.prod(shape[1:])))


def drawn_once(
    block: Num[Tensor, " rows *shape"], draw: Draw, seed: int, number: int
) -> Num[Tensor, " rows *shape"]:
    """Returns block `number` with its own noise.

    It is uint8 where all values are whole: the same numbers in a quarter of the memory.
    """
    if number:  # the first block's seed is the seed itself
        seed = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint32)[0])
    noise = torch.Generator().manual_seed(seed)
    parts = [draw(part, noise) for part in block.split(rows_of(FLOATS_AT_A_TIME, block.shape))]
    whole = all(
        bool(((part == part.round()) & (part >= 0) & (part <= 255)).all()) for part in parts
    )
    return torch.cat([part.to(torch.uint8) if whole else part for part in parts])
