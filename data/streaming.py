"""Values that do not fit into memory: rows of a memory-mapped array, read as they are needed.

An epoch sees every row once, in an order that is random in two steps. Blocks of contiguous rows
(1 MiB), which are cheap to read, come in random order. As many blocks as fill a quarter of the
memory limit make a buffer, and the rows of a buffer are shuffled. While batches are made of one
buffer, a thread reads the next one. Two rows of one block are therefore always in the same buffer,
but a batch mixes all blocks of its buffer. The order is a function of the state of torch's
generator when the epoch starts.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from jaxtyping import Int, Num
from torch import Tensor

from data.mapped import Mapped
from data.observation import Draw
from data.raw import as_stored
from data.storage import FLOATS_PER_SEED, Storage, drawn_once, rows_of

BLOCK_BYTES = 2**20
# A buffer has at least so many blocks; with little memory the blocks are smaller.
BLOCKS_PER_BUFFER = 16
# So many blocks of a file, of so many bytes, stand for all of it in a hash.
BLOCKS_HASHED, HASHED_BYTES = 256, 2**16
# Contiguous rows: the first one, and the one after the last.
Piece = tuple[int, int]


class OnDisk(Storage):
    """Rows of a file; uint8 stays, and other numbers are read as float32."""

    def __init__(self, file: Mapped, memory: int, device: torch.device | str = "cpu") -> None:
        super().__init__(tuple(file.shape), torch.device(device))
        self.file, self.memory = file, memory
        self.dtype = torch.uint8 if file.dtype in (np.uint8, np.bool_) else torch.float32
        row_bytes = self.dtype.itemsize * math.prod(self.shape[1:])
        self.buffer_rows = max(1, memory // 4 // row_bytes)
        self.block_rows = max(
            1, min(BLOCK_BYTES // row_bytes, self.buffer_rows // BLOCKS_PER_BUFFER)
        )

    def read(self, start: int, stop: int) -> Num[Tensor, " rows ..."]:
        """Returns rows `start` to `stop` on the CPU."""
        return torch.from_numpy(as_stored(self.file.read(start, stop)))

    def __getitem__(self, rows: slice | Int[Tensor, " rows"]) -> Num[Tensor, " rows ..."]:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self.read(start, max(start, stop)).to(self.device)
            rows = torch.arange(start, stop, step)
        found, places = torch.unique(torch.as_tensor(rows).cpu(), return_inverse=True)
        values = torch.cat([self.read(row, row + 1) for row in found.tolist()] or [self.read(0, 0)])
        return values[places].to(self.device)

    def sampled(self) -> Iterator[Tensor]:
        """Yields a few rows at even distances, the first and the last of all among them."""
        rows = max(1, HASHED_BYTES // (self.dtype.itemsize * math.prod(self.shape[1:])))
        starts = np.linspace(0, max(0, len(self) - rows), BLOCKS_HASHED).astype(int)
        return (
            self.read(start, min(start + rows, len(self)))
            for start in dict.fromkeys(starts.tolist())
        )

    def drawn(self, draw: Draw, seed: int) -> "DrawnOnce":
        """Reads nothing: values are drawn as they are read."""
        return DrawnOnce(self.file, self.memory, draw, seed)

    def to(self, device: torch.device | str) -> "OnDisk":
        """Returns the same file, whose rows arrive on `device`."""
        return OnDisk(self.file, self.memory, device)

    def shuffled(self, size: int, part: int, parts: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Reads blocks in random order through a shuffled buffer: see the top of this file."""
        seed = int(torch.randint(2**63 - 1, ()))
        return self._batches(
            self._plan(seed, size, part, parts),
            part_sizes(len(self), size, part, parts),
            seed,
            part,
        )

    def _plan(self, seed: int, size: int, part: int, parts: int) -> list[list[Piece]]:
        """Returns what this part reads into each buffer.

        The parts cut the sequence of all blocks in random order into one run each.
        """
        order = np.random.default_rng(seed).permutation(math.ceil(len(self) / self.block_rows))
        totals = [sum(part_sizes(len(self), size, p, parts)) for p in range(parts)]
        begin = sum(totals[:part])
        plan: list[list[Piece]] = []
        room = 0
        for start, stop in cut(self._blocks_in(order), begin, begin + totals[part]):
            if stop - start > room:
                plan.append([])
                room = self.buffer_rows
            plan[-1].append((start, stop))
            room -= stop - start
        return plan

    def _blocks_in(self, order: np.ndarray) -> Iterator[Piece]:
        return (
            (int(n) * self.block_rows, min((int(n) + 1) * self.block_rows, len(self)))
            for n in order
        )

    def _fill(self, buffer: Tensor, pieces: list[Piece]) -> Tensor:
        """Reads rows into `buffer` and returns their numbers."""
        filled = 0
        for start, stop in pieces:
            buffer[filled : filled + stop - start] = self.read(start, stop)
            filled += stop - start
        return torch.cat([torch.arange(start, stop) for start, stop in pieces])

    def _batches(
        self, plan: list[list[Piece]], sizes: list[int], seed: int, part: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        generator = np.random.default_rng((seed, part))
        rows = max((sum(stop - start for start, stop in pieces) for pieces in plan), default=0)
        used, other = (torch.empty(rows, *self.shape[1:], dtype=self.dtype) for _ in range(2))
        waiting = iter(plan)
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
            reading = [reader.submit(self._fill, other, pieces) for pieces in islice(waiting, 1)]
            order = numbers = torch.arange(0)
            for missing in sizes:
                found, values = [numbers[:0]], [used[:0]]
                while missing > 0:
                    if not len(order):
                        numbers, used, other = reading.pop().result(), other, used
                        reading = [
                            reader.submit(self._fill, other, pieces)
                            for pieces in islice(waiting, 1)
                        ]
                        order = torch.from_numpy(generator.permutation(len(numbers)))
                    taken, order = order[:missing], order[missing:]
                    found.append(numbers[taken])
                    values.append(used[taken])
                    missing -= len(taken)
                yield torch.cat(found).to(self.device), torch.cat(values).to(self.device)


class DrawnOnce(OnDisk):
    """Rows with noise that belongs to them: whenever they are read, the same noise is drawn."""

    def __init__(
        self,
        file: Mapped,
        memory: int,
        draw: Draw,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(file, memory, device)
        self.draw, self.seed, self.seed_rows = draw, seed, rows_of(FLOATS_PER_SEED, self.shape)
        self._last: tuple[int, Tensor] | None = None
        self.dtype = self._block(0).dtype  # of what is drawn, which need not be the file's
        self.block_rows = self.seed_rows
        self.buffer_rows = max(
            self.seed_rows, memory // 4 // (self.dtype.itemsize * math.prod(self.shape[1:]))
        )

    def read(self, start: int, stop: int) -> Num[Tensor, " rows ..."]:
        numbers = range(start // self.seed_rows, max(start, stop - 1) // self.seed_rows + 1)
        first = [number * self.seed_rows for number in numbers]
        return torch.cat(
            [
                self._block(n)[max(start - f, 0) : max(stop - f, 0)]
                for n, f in zip(numbers, first, strict=True)
            ]
        )

    def _block(self, number: int) -> Tensor:
        """Returns the rows that share a seed; those that were asked for last are kept."""
        last = self._last
        if last is None or last[0] != number:
            start = number * self.seed_rows
            stored = super().read(start, min(start + self.seed_rows, len(self)))
            last = self._last = (number, drawn_once(stored, self.draw, self.seed, number))
        return last[1]

    def to(self, device: torch.device | str) -> "DrawnOnce":
        return DrawnOnce(self.file, self.memory, self.draw, self.seed, device)


def part_sizes(total: int, size: int, part: int, parts: int) -> list[int]:
    """Returns how many rows of each batch belong to `part`, as `Tensor.tensor_split` counts them.

    >>> part_sizes(total=10, size=5, part=0, parts=2)
    [3, 3]
    """
    batches = (min(size, total - start) for start in range(0, total, size))
    return [batch // parts + (part < batch % parts) for batch in batches]


def cut(pieces: Iterator[Piece], begin: int, end: int) -> Iterator[Piece]:
    """Yields the rows at positions `begin` to `end` of the sequence that `pieces` make.

    >>> list(cut(iter([(40, 50), (0, 10)]), 8, 13))
    [(48, 50), (0, 3)]
    """
    position = 0
    for start, stop in pieces:
        low, high = max(begin - position, 0), min(end - position, stop - start)
        if low < high:
            yield start + low, start + high
        position += stop - start
