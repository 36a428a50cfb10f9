"""Tensors of absurd size are refused before memory is taken for them.

A run directory may come from somebody else. Nothing in it is executed, and the limit here keeps a
configuration that asks for a width of 10⁹, say, from exhausting the machine that only opens it.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

# Every tensor counts as at least so many numbers: a billion small layers exhaust a machine, too.
OVERHEAD = 50_000


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Limits the tensors that are made inside to `limit` elements, all of them together.

    Raises:
        MemoryError: an operation would make more; it does not run.

    >>> with at_most(10**6):
    ...     torch.zeros(10**9)
    Traceback (most recent call last):
    MemoryError: aten.zeros.default would bring the tensors to more than 1,000,000 elements together
    """
    with _Limit(limit):
        yield


class _Limit(TorchDispatchMode):
    """Sees every operation with its arguments before it runs: factories take the size first."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit, self.made = limit, 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing compiles here, and torch would import its compiler to say so: 1.5 seconds."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        size = _size(func.overloadpacket.__name__, args)
        self.made += max(size, OVERHEAD) if size else 0
        if self.made > self.limit:
            raise MemoryError(
                f"{func} would bring the tensors to more than {self.limit:,} elements together"
            )
        return func(*args, **(kwargs or {}))


def _size(name: str, args: Sequence[object]) -> int:
    """Returns the number of elements that the operation `name` makes; 0 if it makes no tensor."""
    if args and isinstance(args[0], list | tuple):
        sizes = [size for size in args[0] if isinstance(size, int)]
        if len(sizes) == len(args[0]):
            return math.prod(sizes)
    whole = [abs(value) for value in args if isinstance(value, int | float)]
    if name in ("arange", "linspace", "logspace", "randperm") and whole:
        return int(max(whole))
    return int(math.prod((whole * 2)[:2])) if name == "eye" else 0


def memory() -> int:
    """Returns how many bytes of memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def elements(state: object) -> int:
    """Returns how many numbers the tensors in a checkpoint really hold, whatever shape they claim.

    What several tensors or lists share counts once, and is looked at once.

    >>> elements({"weight": torch.zeros(1).expand(10**9)}), elements([torch.zeros(5)] * 1000)
    (1, 5)
    """
    seen: set[int] = set()
    waiting, total = [state], 0
    while waiting:
        value = waiting.pop()
        held = value
        if isinstance(value, torch.Tensor):
            if value.layout != torch.strided or value.is_meta:
                continue
            held = value.untyped_storage()
        # The address of a storage is that of its numbers, which no list has.
        key = held.data_ptr() if isinstance(held, torch.UntypedStorage) else id(held)
        if key in seen:
            continue
        seen.add(key)
        if isinstance(value, torch.Tensor):
            total += value.untyped_storage().nbytes() // value.element_size()
        elif isinstance(value, dict | list | tuple):
            waiting += value.values() if isinstance(value, dict) else value
    return total
