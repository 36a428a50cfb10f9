"""Gradients and loss of a whole batch, from the parts of it that several processes have.

All gradients and, in the last place, the loss lie in one flat buffer, of which the new gradients are views. Between machines,
and between GPUs, these are summed by one all-reduce. Processes that share a machine's memory write what they have there, wait
for each other, and each adds it up: gloo would send it through the loopback of the network, which takes half as long as a
step of a small VAE.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from parallel import group, launch

MOST_SHARING = 8
"""Processes: each adds up the parts of all, which is more work than an all-reduce where there are many."""
MEMORY = Path("/dev/shm")


class Average:
    """`average(loss, weight)` replaces the gradients of `parameters` by the sums over processes of `weight` (the part of the
    batch that was here) times each, and returns the like sum of the losses. Every process gets the same numbers.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.sizes = [*(p.numel() for p in self.parameters), 1]
        self.sum = _sum_of(sum(self.sizes), self.parameters[0])

    def __call__(self, loss: Tensor, weight: float) -> Tensor:
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        flat = self.sum(
            [*(g.reshape(-1) for g in gradients), loss.reshape(1).to(gradients[0].dtype)], weight
        )
        *parts, total = flat.split(self.sizes)
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return total.clone().reshape(())


class AllReduce:
    """Σ over processes of weight × parts, by torch.distributed."""

    def __call__(self, parts: list[Tensor], weight: float) -> Tensor:
        flat = torch.cat(parts)
        flat *= weight
        group.all_reduce(flat)
        return flat


class SharedMemory:
    """Σ over processes of weight × parts, in memory that they share.

    There are two buffers in turn, so that waiting once a step is enough: who has come to the second step has read what was
    written in the first, and its buffer may be written anew. In a row, behind the parts, stands their weight.
    """

    def __init__(self, file: Path, size: int, like: Tensor) -> None:
        shape = _shape(size)
        self.buffers = torch.from_file(
            str(file), shared=True, size=shape.numel(), dtype=like.dtype
        ).view(shape)
        self.total, self.turn = torch.empty(size, dtype=like.dtype), 0

    def __call__(self, parts: list[Tensor], weight: float) -> Tensor:
        rows, self.turn = self.buffers[self.turn], 1 - self.turn
        mine = rows[group.rank()]
        torch.cat(parts, out=mine[:-1])
        mine[-1] = weight
        group.wait()
        weights = rows[:, -1].contiguous()  # mv of a strided vector takes four times as long
        return torch.mv(rows[:, :-1].t(), weights, out=self.total)


def _sum_of(size: int, like: Tensor) -> AllReduce | SharedMemory:
    on_one_machine = launch.local()[1] == group.count() <= MOST_SHARING
    if like.device.type != "cpu" or not on_one_machine or group.count() == 1:
        return AllReduce()
    file = group.from_first(lambda: _reserved(_shape(size).numel() * like.element_size()))
    try:
        seen = file is not None and all(
            group.gather(file.exists())
        )  # else they have no memory in common
        found = SharedMemory(file, size, like) if file is not None and seen else None
        group.gather(
            None
        )  # all have opened it: it can lose its name, and is gone with the last of them
    finally:
        if group.is_first() and file is not None:
            file.unlink(missing_ok=True)
    return found or AllReduce()


def _shape(size: int) -> torch.Size:
    return torch.Size((2, group.count(), size + 1))


def _reserved(size: int) -> Path | None:
    """A file in memory of so many bytes, which are there; None where there is not so much."""
    try:
        number, name = tempfile.mkstemp(prefix="gradients-", dir=MEMORY)
    except OSError:
        return None
    try:
        os.posix_fallocate(number, 0, size)
    except OSError:
        Path(name).unlink()
        return None
    finally:
        os.close(number)
    return Path(name)
