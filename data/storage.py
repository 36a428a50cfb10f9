"""Where stored values are: in memory on the device, or on disk, read as they are needed (data/streaming.py)."""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from data.observation import Draw

FLOATS_AT_A_TIME = 2**20
"""In passes over all values."""
FLOATS_PER_SEED = 2**23
"""Values whose noise, where it is drawn once, comes from one seed: so much is drawn again to see a few of them."""


class Storage(Protocol):
    """Rows of values `(N, *shape)`, uint8 or float32."""

    shape: tuple[int, ...]
    device: torch.device

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Tensor:
        """Rows, by slice or index, on the device."""

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """All rows in order, a little at a time: the number of the first, and values."""

    def shuffled(self, size: int, part: int, parts: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows once, as (numbers, values) of batches, in an order drawn from torch's generator when this is called."""

    def drawn(self, draw: Draw, seed: int) -> "Storage":
        """Values with noise that is drawn once and for all: the same in memory and on disk, and on every device."""

    def to(self, device: torch.device | str) -> "Storage":
        """The same on `device`."""


class InMemory:
    """All rows in one tensor."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.shape, self.device = values, tuple(values.shape), values.device

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> Tensor:
        return self.values[rows]

    def blocks(self) -> Iterator[tuple[int, Tensor]]:
        """A few million numbers at a time."""
        size = rows_of(FLOATS_AT_A_TIME, self.shape)
        yield from (
            (start, self.values[start : start + size]) for start in range(0, len(self), size)
        )

    def shuffled(self, size: int, part: int, parts: int) -> Iterator[tuple[Tensor, Tensor]]:
        """By one permutation of all rows; every part takes its share of each batch."""
        order = torch.randperm(len(self), device=self.device)
        batches = (index.tensor_split(parts)[part] for index in order.split(size))
        return ((index, self.values[index]) for index in batches)

    def drawn(self, draw: Draw, seed: int) -> "InMemory":
        """All at once, in blocks that have a seed each, as on disk."""
        blocks = self.values.split(rows_of(FLOATS_PER_SEED, self.shape))
        return InMemory(
            torch.cat(
                [drawn_once(block, draw, seed, number) for number, block in enumerate(blocks)]
            )
        )

    def to(self, device: torch.device | str) -> "InMemory":
        """The same rows there; no copy where they are there already."""
        return InMemory(self.values.to(device))


def rows_of(floats: int, shape: tuple[int, ...]) -> int:
    """How many rows of values `(N, *shape)` have that many numbers; at least one."""
    return max(1, floats // max(1, math.prod(shape[1:])))


def drawn_once(block: Tensor, draw: Draw, seed: int, number: int) -> Tensor:
    """Block `number` with its own noise: uint8 where all values are whole, a quarter of the memory for the same numbers."""
    if number:  # the first one's seed is the seed itself
        seed = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint32)[0])
    noise = torch.Generator().manual_seed(seed)
    parts = [draw(part, noise) for part in block.split(rows_of(FLOATS_AT_A_TIME, block.shape))]
    whole = all(
        bool(((part == part.round()) & (part >= 0) & (part <= 255)).all()) for part in parts
    )
    return torch.cat([part.to(torch.uint8) if whole else part for part in parts])
