"""Refusing tensors of absurd size before memory is taken for them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

OVERHEAD = 50_000
"""Numbers that one tensor counts for at least: a billion small layers exhaust a machine too."""


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Raise MemoryError where the tensors that are made would have more than `limit` elements together."""
    with _Limit(limit):
        yield


class _Limit(TorchDispatchMode):
    """Sees every operation with its arguments before it runs: factories take the size first."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.made = limit, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = _size(func.overloadpacket.__name__, args)
        self.made += max(size, OVERHEAD) if size else 0
        if self.made > self.limit:
            raise MemoryError(
                f"{func} would bring the tensors to more than {self.limit:,} elements together"
            )
        return func(*args, **(kwargs or {}))


def _size(name: str, args: Any) -> int:
    if (
        args
        and isinstance(args[0], list | tuple)
        and all(isinstance(size, int) for size in args[0])
    ):
        return math.prod(args[0])
    whole = [abs(value) for value in args if isinstance(value, int | float)]
    if name in ("arange", "linspace", "logspace", "randperm") and whole:
        return int(max(whole))
    return int(math.prod((whole * 2)[:2])) if name == "eye" else 0


def elements(state: Any) -> int:
    """How many numbers the tensors in a checkpoint really hold, whatever shape they claim."""
    if isinstance(state, torch.Tensor):
        return state.untyped_storage().nbytes() // state.element_size()
    if isinstance(state, dict):
        return sum(elements(value) for value in state.values())
    return sum(elements(value) for value in state) if isinstance(state, list | tuple) else 0
