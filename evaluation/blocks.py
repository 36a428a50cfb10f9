"""An estimator over many data, a block at a time: the one loop of everything that is measured per datum.

Every block has noise of its own, and is measured by one of the processes that torchrun started, where there are several: the
numbers are the same for any number of them. What is drawn between two loops is the same in all of them, too.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from evidence import Estimate
from parallel import group

T = TypeVar("T")
BLOCK = 250
"""Data per step of the progress bar; each estimator splits them further as memory asks."""


def blockwise(
    measure: Callable[[tuple[Tensor, ...]], T],
    batch: tuple[Tensor, ...],
    name: str,
    size: int = BLOCK,
) -> list[T]:
    """`measure` on blocks of `size` data, in order, with a progress bar that leaves nothing behind."""
    blocks = list(enumerate(zip(*(column.split(size) for column in batch), strict=True)))
    seed, device = int(torch.randint(2**31, ())), batch[0].device
    total = len(batch[0]) // group.count()
    with tqdm(
        total=total, desc=f"{name:>10}", unit=" data", leave=False, dynamic_ncols=True, disable=None
    ) as bar:

        def measured(block: tuple[int, tuple[Tensor, ...]]) -> T:
            number, part = block
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                torch.manual_seed(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
                result = measure(part)
            bar.update(len(part[0]))
            return result

        return group.each(measured, blocks)


def estimate_blockwise(
    measure: Callable[[tuple[Tensor, ...]], Estimate],
    batch: tuple[Tensor, ...],
    name: str,
    size: int = BLOCK,
) -> Estimate:
    """One estimate from those of the blocks."""
    return Estimate.join(blockwise(measure, batch, name, size))
