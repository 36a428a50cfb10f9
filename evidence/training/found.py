"""Any Pyro programs, recorded: what they learn and what they hold is found while they run.

The parameters of a loss are the leaves of its graph, wherever the programs have them from: modules,
Pyro's store, closures. What else the recorded operations read (buffers, constants) are tensors that
the programs hold, which become inputs of the graph and are read at every call.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pyro
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.modules.module import register_module_forward_pre_hook

from evidence.batch import Batch
from evidence.recording.calls import with_found_tensors_as_inputs
from evidence.recording.graph import record
from evidence.recording.modes import replaced, restored
from evidence.recording.private_torch import Unrecordable, leaf_of
from evidence.structure import Program
from evidence.training.loss import Differentiable
from evidence.training.pair import owner
from evidence.training.recording import Recording

Loss = Callable[..., Tensor]


class FoundRecording(Recording):
    """The graph of `call(*batch)`, which is the loss of two programs; leaves all as it was.

    Raises Unrecordable if the programs hold a tensor that is another one at every call, or change
    one that is no buffer.
    """

    def __init__(
        self, call: Loss, programs: Sequence[Program], loss: Differentiable, batch: Batch
    ) -> None:
        self.call = call
        with seen(programs) as self.seen, poutine.trace(param_only=True) as captured:
            self.leaves = leaves(call(*batch))
        if not self.leaves:
            raise Unrecordable("the loss has no parameters")
        self.stored = stored(captured.trace.nodes)
        with restored(buffers(self.seen)):
            super().__init__(loss, self.seen, batch)

    def held(self) -> list[Tensor]:
        return self.found

    def parameters(self) -> list[Tensor]:
        return self.leaves

    def is_outdated(self) -> bool:
        """Whether a constant has changed, or Pyro's store has other tensors than it had."""
        now = stored(self.stored)
        return super().is_outdated() or any(
            now.get(name) is not tensor for name, tensor in self.stored.items()
        )

    def __call__(self, batch: Batch) -> Tensor:
        """Returns the loss and adds its gradients; Pyro's SVI sees the parameters of its store."""
        for name in self.stored:
            pyro.param(name)
        return super().__call__(batch)

    def record(self, batch: Batch) -> GraphModule:
        graph, self.found = self._found(batch)
        versions = [tensor._version for tensor in self.found]
        _, again = self._found(batch)
        known = {id(tensor) for tensor in buffers(self.seen)}
        for tensor, version in zip(self.found, versions, strict=True):
            if tensor._version != version and id(tensor) not in known:
                raise Unrecordable(
                    "the programs change a tensor that is no buffer of a module: make it one, so "
                    "that a trial can put it back (this one has moved on by the trials)"
                )
        for one, other in zip(self.found, again, strict=True):
            if one is not other and not torch.equal(one, other):
                raise Unrecordable(
                    "the programs hold a tensor that is another one at every call; update it in "
                    "place"
                )
        return graph

    def _found(self, batch: Batch) -> tuple[GraphModule, list[Tensor]]:
        varied = self._varied()

        def loss_and_gradients(*inputs: Tensor) -> tuple[Tensor | None, ...]:
            numbers, batch = inputs[: len(varied)], inputs[len(varied) :]
            with replaced(self.objective, self.varying, numbers):
                loss = self.call(*batch)
            return loss.detach(), *torch.autograd.grad(loss, self.leaves, allow_unused=True)

        with torch.enable_grad():
            return with_found_tensors_as_inputs(record(loss_and_gradients, *varied, *batch))


def stored(names: Iterable[str]) -> dict[str, Tensor]:
    """Returns the unconstrained parameters of these names in Pyro's store."""
    there = dict(pyro.get_param_store().named_parameters())
    return {name: there[name] for name in names if name in there}


def leaves(loss: Tensor) -> list[Tensor]:
    """Returns the tensors that gradients of `loss` go to, in the order in which they are met."""
    found: dict[Tensor, None] = {}
    nodes, met = [loss.grad_fn], set[object]()
    while nodes:
        node = nodes.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if (leaf := leaf_of(node)) is not None:
            found[leaf] = None
        nodes += [below for below, _ in node.next_functions]
    return list(found)


@contextmanager
def seen(programs: Sequence[Program]) -> Iterator[list[nn.Module]]:
    """Gives the modules that the programs are, or call, inside; puts their buffers back."""
    found: dict[nn.Module, None] = {}
    before: dict[Tensor, Tensor] = {}

    def note(module: nn.Module) -> None:
        for part in module.modules():
            found.setdefault(part)
        for buffer in module.buffers():
            if buffer not in before:
                before[buffer] = buffer.detach().clone()

    for program in programs:
        with suppress(Unrecordable):
            note(owner(program))
    modules: list[nn.Module] = []
    handle = register_module_forward_pre_hook(lambda module, _: note(module))
    try:
        yield modules
    finally:
        handle.remove()
        modules += list(found)
        with torch.no_grad():
            for buffer, value in before.items():
                buffer.copy_(value)


def buffers(modules: Sequence[nn.Module]) -> list[Tensor]:
    """Returns the modules' own buffers, each once."""
    return list({buffer: None for module in modules for buffer in module.buffers(recurse=False)})
