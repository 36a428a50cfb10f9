"""What must hold while programs are recorded, or run without waiting for the device."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyro
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from evidence.noise import forked
from evidence.recording.private_pyro import within_an_expectation, without_nan_checks


class OnDevice(TorchFunctionMode):
    """Leaves numbers on the device: `.item()` is the detached tensor itself, and nothing waits.

    Pyro's objectives read the loss as a number only to return `loss + (surrogate −
    surrogate.item())`; `one_hot` reads its argument only to check it, and a sum over enumerated
    values its probabilities only to leave out what counts nothing.
    """

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: object,
        args: Sequence[Any] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        if function is Tensor.item:
            return args[0].detach()
        if function is F.one_hot and len(args) == 2:
            labels, classes = args
            return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).long()
        if function is Tensor.all and len(args) == 1 and within_an_expectation():
            return True
        return function(*args, **(kwargs or {}))


@contextmanager
def recording_mode() -> Iterator[None]:
    """Inside, no operation depends on the numbers at hand: they are checked elsewhere."""
    with pyro.validation_enabled(False), without_nan_checks(), OnDevice():
        yield


@contextmanager
def trial(device: torch.device) -> Iterator[None]:
    """Inside, no noise is drawn from the run; torch's warnings of its own future are not shown.

    Nor is its advice to compute with fewer digits (see evidence/digits.py).
    """
    with forked(device), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
        yield


@contextmanager
def restored(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Afterwards `tensors` hold what they held before."""
    values = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)


@contextmanager
def replaced(owner: object, names: Sequence[str], values: Sequence[object]) -> Iterator[None]:
    """Inside, the attributes `names` of `owner` hold `values`."""
    before = [getattr(owner, name) for name in names]
    try:
        for name, value in zip(names, values, strict=True):
            setattr(owner, name, value)
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(owner, name, value)
