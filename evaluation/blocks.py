"""The loop of everything that is measured per datum: an estimator on one block after another.

Every block has its own noise, and is measured by one of the processes that torchrun started, if
there are several. The numbers do not depend on how many there are. What is drawn between two loops
is the same in all processes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch

from evidence import Estimate
from evidence.batch import Batch
from evidence.noise import forked
from evidence.progress import steps
from parallel import group

T = TypeVar("T")
# Data per step; each estimator splits them further as memory asks.
BLOCK = 250


def blockwise(
    measure: Callable[[Batch], T], batch: Batch, size: int = BLOCK, loops: int = 1
) -> list[T]:
    """Returns `measure` of every block of `size` data, in order.

    Progress is told of: `loops` are those that `measure` has, one after the other.
    """
    blocks = list(enumerate(batch.parts(size)))
    seed = int(torch.randint(2**31, ()))

    def measured(block: tuple[int, Batch]) -> T:
        number, part = block
        own_seed = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
        with forked(batch.device, own_seed):
            return measure(part)

    def along(share: Sequence[tuple[int, Batch]]) -> Iterable[tuple[int, Batch]]:
        return steps(share, "datum", loops, size=lambda block: block[1].size)

    return group.each(measured, blocks, along)


def estimate_blockwise(
    measure: Callable[[Batch], Estimate], batch: Batch, size: int = BLOCK, loops: int = 1
) -> Estimate:
    """Returns one estimate that joins those of the blocks."""
    return Estimate.join(blockwise(measure, batch, size, loops))
