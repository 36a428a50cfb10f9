"""Model and guide as one module, all of whose tensors can be replaced."""

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from types import MethodType
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from evidence.recording.private_torch import Unrecordable, own_tensors
from evidence.structure import Program
from evidence.training.loss import Differentiable


@dataclass(frozen=True)
class Slot:
    """Where a module keeps one of its tensors; it may put another one there at any time."""

    name: str
    tensors: MutableMapping[str, Tensor | None]
    key: str

    @property
    def tensor(self) -> Tensor:
        """The tensor that is there now."""
        tensor = self.tensors[self.key]
        assert tensor is not None
        return tensor


class Pair(nn.Module):
    """The loss of model and guide as one module, so that all its tensors can be replaced."""

    def __init__(self, model: Program, guide: Program, loss: Differentiable) -> None:
        super().__init__()
        self.model, self.guide = owner(model), owner(guide)
        self.programs, self.loss = (model, guide), loss

    def forward(self, *batch: Tensor) -> Tensor:
        """Returns the loss; raises Unrecordable if the programs replace a buffer."""
        given = dict(self.named_buffers())
        with OwnParameters(self):
            loss = self.loss.differentiable_loss(*self.programs, *batch)
        for name, buffer in self.named_buffers():
            if buffer is not given.get(name):
                raise Unrecordable(
                    f"the programs replace the buffer {name} by another tensor; update it in place"
                )
        return loss


class OwnParameters(Messenger):
    """Lets `pyro.module` have the parameters that the pair has just now.

    It would give back those of Pyro's parameter store, with which the graph is not called.
    """

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair

    def _pyro_param(self, msg: Any) -> None:
        given = msg["args"][-1]  # after the name
        if any(given is parameter for parameter in self.pair.parameters()):
            msg["value"], msg["done"], msg["stop"] = given, True, True


def owner(program: Program) -> nn.Module:
    """Returns the module that a program is, or whose method it is; else raises Unrecordable."""
    module = program.__self__ if isinstance(program, MethodType) else program
    if not isinstance(module, nn.Module):
        raise Unrecordable(
            "model and guide must be modules, or methods of modules, for their parameters to be "
            "known"
        )
    return module


def buffers(*programs: Program) -> list[Tensor]:
    """Returns the buffers of those programs that are modules, or methods of modules."""
    found = []
    for program in programs:
        with suppress(Unrecordable):
            found += list(owner(program).buffers())
    return found


def slots(pair: Pair) -> list[Slot]:
    """Returns where parameters and buffers are, each tensor once."""
    found: dict[int, Slot] = {}
    for prefix, module in pair.named_modules():
        for tensors in own_tensors(module):
            for key, tensor in tensors.items():
                if tensor is not None:
                    found.setdefault(id(tensor), Slot(f"{prefix}.{key}", tensors, key))
    return list(found.values())
