"""Spaces: the set that data values live in, with its base measure.

A log-density is a number *with respect to a measure*. Two runs can be compared only where the set and the
measure are the same, so every data set is put into a named space and every likelihood says which it is on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Space:
    """A set of values per dimension and the measure that densities on it refer to."""

    name: str
    values: str
    measure: Literal["counting", "Lebesgue"]
    contains: Callable[[Tensor], Tensor]
    """Elementwise membership, a boolean tensor of the argument's shape."""

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
        Space("counts", "{0, 1, 2, …}", "counting", lambda x: _is_integer(x) & (x >= 0)),
    )
}
