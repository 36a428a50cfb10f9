"""An estimator over many data, a block at a time: the one loop of everything that is measured per datum."""

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor
from tqdm import tqdm

from evidence import Estimate

T = TypeVar("T")
BLOCK = 250
"""Data per step of the progress bar; each estimator splits them further as memory asks."""


def blockwise(measure: Callable[[tuple[Tensor, ...]], T], batch: tuple[Tensor, ...], name: str, size: int = BLOCK) -> list[T]:
    """`measure` on blocks of `size` data, with a progress bar that leaves nothing behind."""
    with tqdm(total=len(batch[0]), desc=f"{name:>10}", unit=" data", leave=False, dynamic_ncols=True, disable=None) as bar:
        results = []
        for part in zip(*(column.split(size) for column in batch), strict=True):
            results.append(measure(part))
            bar.update(len(part[0]))
    return results


def estimate_blockwise(
    measure: Callable[[tuple[Tensor, ...]], Estimate], batch: tuple[Tensor, ...], name: str, size: int = BLOCK
) -> Estimate:
    """One estimate from those of the blocks."""
    return Estimate.join(blockwise(measure, batch, name, size))
