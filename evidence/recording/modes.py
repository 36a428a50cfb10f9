"""What must hold while programs are recorded, or run without waiting for the device."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import pyro.util
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class OnDevice(TorchFunctionMode):
    """Numbers stay where they are: under this mode `.item()` is the detached tensor itself, and nothing waits for it.

    Pyro's objectives read the loss as a number only to return `loss + (surrogate − surrogate.item())`; `one_hot` reads
    its argument only to check it.
    """

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if function is Tensor.item:
            return args[0].detach()
        if function is F.one_hot and len(args) == 2:
            labels, classes = args
            return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).long()
        return function(*args, **(kwargs or {}))


@contextmanager
def recording_mode() -> Iterator[None]:
    """No step of the programs may depend on the numbers at hand: they are checked elsewhere."""
    with pyro.validation_enabled(False), without_nan_warnings(), OnDevice():
        yield


@contextmanager
def trial(device: torch.device) -> Iterator[None]:
    """Recording and compiling draw no noise from the run, and torch does not warn of itself."""
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def restored(tensors: list[Tensor]) -> Iterator[None]:
    """What `tensors` hold is the same after as before."""
    values = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                tensor.copy_(value)


@contextmanager
def without_nan_warnings() -> Iterator[None]:
    """Pyro looks for NaN by reading the loss and every gradient of it; the loop checks the losses itself."""
    with replaced(pyro.util, ("torch_isnan",), [lambda x: False]):
        yield


@contextmanager
def replaced(owner: Any, names: tuple[str, ...], values: list[Any]) -> Iterator[None]:
    """Attributes of `owner` hold `values` for a while."""
    before = [getattr(owner, name) for name in names]
    try:
        for name, value in zip(names, values, strict=True):
            setattr(owner, name, value)
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(owner, name, value)
