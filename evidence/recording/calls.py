"""Functions that are recorded at their first call and run compiled from then on.

    with recorded() as calls:
        iwae(model, guide, x, 5000)

Inside, what goes through `run` is recorded at its first call; inputs of another shape (the last of a data set) run eagerly
until they have come often enough to be worth recording too. Tensors that a function finds by itself (the parameters of the
networks) are read at every call, as they are then; everything else that it finds is taken as given: programs must stay as
they are while the context is open.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from evidence.recording.graph import compiled, one_line, record
from evidence.recording.modes import trial

Function = Callable[..., tuple[Tensor, ...]]
_calls: ContextVar["Calls | None"] = ContextVar("recorded calls", default=None)


OFTEN = 500
"""Calls after which a second shape is recorded as well."""


@dataclass
class Calls:
    """What has been recorded, by key. `why_eager` says why something could not be: it runs eagerly.

    `backend` is torch.compile's; None runs recorded graphs as they are.
    """

    backend: str | None = "inductor"
    graphs: dict[Hashable, Function | None] = field(default_factory=dict)
    seen: Counter[Hashable] = field(default_factory=Counter)
    why_eager: str | None = None

    def run(
        self,
        key: Hashable,
        variant: Hashable,
        patient: bool,
        function: Function,
        inputs: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """See the function `run`."""
        shapes = (key, variant, *((x.shape, x.stride(), x.dtype, x.device) for x in inputs))
        if shapes not in self.graphs:
            self.seen[shapes] += 1
            self.seen[key] += 1
            if patient and self.seen[key] > 1 and self.seen[shapes] < OFTEN:
                return function(*inputs)
            self.graphs[shapes] = self._record(function, inputs)
        return (self.graphs[shapes] or function)(*inputs)

    def _record(self, function: Function, inputs: tuple[Tensor, ...]) -> Function | None:
        with trial(inputs[0].device):
            function(
                *inputs
            )  # with all checks on: what is wrong with the programs is said here, as ever
            try:
                return self._compiled(function, inputs)
            except (
                Exception
            ) as error:  # whatever goes wrong in recording and compiling, eager always works
                self.why_eager = one_line(error)
        return None

    def _compiled(self, function: Function, inputs: tuple[Tensor, ...]) -> Function:
        graph, found = with_found_tensors_as_inputs(record(function, *inputs))
        runnable = (
            compiled(graph, [*found, *inputs], self.backend) if self.backend is not None else graph
        )
        runnable(*found, *inputs)  # whatever is wrong with it shows here
        return lambda *given: runnable(*found, *given)


@contextmanager
def recorded(enabled: bool = True, into: Calls | None = None) -> Iterator[Calls]:
    """Record and compile inside, adding to what there is in `into`; nothing happens unless `enabled`."""
    calls = Calls() if into is None else into
    token = _calls.set(calls if enabled else None)
    try:
        yield calls
    finally:
        _calls.reset(token)


def run(
    key: Hashable,
    function: Function,
    *inputs: Tensor,
    variant: Hashable = None,
    patient: bool = True,
) -> tuple[Tensor, ...]:
    """`function(*inputs)`: plainly, or inside `recorded()` by the graph that was recorded under this `key`.

    One key, one function, but for its `variant`, which counts like another shape of the inputs. Unless `patient`, every shape
    is recorded at its first call: where the rounding must not change from one call to the next.
    """
    calls = _calls.get()
    return (
        function(*inputs) if calls is None else calls.run(key, variant, patient, function, inputs)
    )


def with_found_tensors_as_inputs(graph: GraphModule) -> tuple[GraphModule, list[Tensor]]:
    """The graph with the tensors that it holds (`get_attr`) as its first inputs, and those tensors."""
    held: dict[str, list[torch.fx.Node]] = {}
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            held.setdefault(str(node.target), []).append(node)
    first = next(iter(graph.graph.nodes))
    tensors: list[Tensor] = []
    with graph.graph.inserting_before(first):
        for number, (name, nodes) in enumerate(held.items()):
            tensors.append(_attribute(graph, name))
            placeholder = graph.graph.placeholder(f"found_{number}")
            for node in nodes:
                node.replace_all_uses_with(placeholder)
                graph.graph.erase_node(node)
    graph.recompile()
    return GraphModule(torch.nn.Module(), graph.graph), tensors


def _attribute(owner: Any, path: str) -> Any:
    for part in path.split("."):
        owner = getattr(owner, part)
    return owner
