"""Spaces: the set that data values live in, with its base measure.

A log-density is a number *with respect to a measure*. Two runs can be compared only if their set
and their measure are the same. Therefore every data set is put into a named space, and every
likelihood says which spaces it is a distribution on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Num
from torch import Tensor


@dataclass(frozen=True)
class Space:
    """A set of values per dimension and the measure that densities on it refer to.

    `contains` maps a tensor to booleans of its shape: whether each element lies in the set.
    """

    name: str
    values: str
    measure: Literal["counting", "Lebesgue"]
    contains: Callable[[Num[Tensor, " *shape"]], Bool[Tensor, " *shape"]]

    def __str__(self) -> str:
        return f"{self.name} (values in {self.values}, {self.measure} measure)"


def _is_integer(x: Tensor) -> Tensor:
    return x == x.round()


SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        Space("binary", "{0, 1}", "counting", lambda x: (x == 0) | (x == 1)),
        Space(
            "bytes",
            "{0, …, levels−1}",
            "counting",
            lambda x: _is_integer(x) & (x >= 0) & (x <= 255),
        ),
        Space("unit", "[0, 1]", "Lebesgue", lambda x: (x >= 0) & (x <= 1)),
        Space("real", "ℝ", "Lebesgue", torch.isfinite),
        # Data are float32, which tells whole numbers apart only up to 2²⁴.
        Space(
            "counts",
            "{0, 1, 2, …} below 2²⁴ = 16777216",
            "counting",
            lambda x: _is_integer(x) & (x >= 0) & (x < 2**24),
        ),
    )
}


def spaces_of(blocks: Iterable[Num[Tensor, "..."]]) -> list[str]:
    """Returns the names of the spaces that contain every value of every block.

    >>> spaces_of([torch.tensor([0.0, 0.5]), torch.tensor([1.0])])
    ['unit', 'real']
    """
    fits = list(SPACES.values())
    for values in blocks:
        fits = [space for space in fits if bool(space.contains(values).all())]
    return [space.name for space in fits]
