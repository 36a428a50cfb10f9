"""The loop of everything that is measured per datum: an estimator on one block after another.

Every block has its own noise, and is measured by one of the processes that torchrun started, if
there are several. The numbers do not depend on how many there are. What is drawn between two loops
is the same in all processes.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from tqdm import tqdm

from evidence import Estimate
from evidence.batch import Batch
from evidence.noise import forked
from parallel import group

T = TypeVar("T")
# Data per step of the progress bar; each estimator splits them further as memory asks.
BLOCK = 250


def blockwise(measure: Callable[[Batch], T], batch: Batch, name: str, size: int = BLOCK) -> list[T]:
    """Returns `measure` of every block of `size` data, in order, behind a bar called `name`."""
    blocks = list(enumerate(batch.parts(size)))
    seed = int(torch.randint(2**31, ()))
    total = batch.size // group.count()
    with tqdm(
        total=total, desc=f"{name:>10}", unit=" data", leave=False, dynamic_ncols=True, disable=None
    ) as bar:

        def measured(block: tuple[int, Batch]) -> T:
            number, part = block
            own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
            with forked(batch.device, own_seed):
                result = measure(part)
            bar.update(part.size)
            return result

        return group.each(measured, blocks)


def estimate_blockwise(
    measure: Callable[[Batch], Estimate], batch: Batch, name: str, size: int = BLOCK
) -> Estimate:
    """Returns one estimate that joins those of the blocks."""
    return Estimate.join(blockwise(measure, batch, name, size))
