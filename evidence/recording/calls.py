"""Functions that are recorded at their first call and run compiled from then on.

    with recorded() as calls:
        iwae(model, guide, x, 5000)

Inside, what goes through `run` is recorded. Tensors that a function finds by itself (the parameters
of the networks) are read at every call, as they are then; everything else that it finds is taken as
given: programs must stay as they are while the context is open.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum

import torch
from torch import Tensor
from torch.fx import GraphModule

from evidence.recording.graph import Recorder, record, signature
from evidence.recording.modes import trial

Function = Callable[..., tuple[Tensor, ...]]

# After so many calls a second shape is worth recording as well.
OFTEN = 500


class Shapes(Enum):
    """Which shapes of its inputs a function is recorded for."""

    # The first, and each other one (the last of a data set, say) once it has come OFTEN times.
    FREQUENT = "frequent"
    # Each at its first call: where the rounding must not change from one call to the next.
    EVERY = "every"


@dataclass
class Calls(Recorder):
    """What has been recorded in a context; a function that could not be recorded runs eagerly."""

    graphs: dict[Hashable, Function | None] = field(default_factory=dict)
    seen: Counter[Hashable] = field(default_factory=Counter)

    def run(
        self, key: Hashable, variant: Hashable, shapes: Shapes, function: Function, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        """Returns `function(*inputs)`, by a graph where there is or should be one (see `run`)."""
        kind = (key, variant, signature(inputs))
        if kind not in self.graphs:
            self.seen[kind] += 1
            self.seen[key] += 1
            is_first, is_frequent = self.seen[key] == 1, self.seen[kind] >= OFTEN
            if not (is_first or is_frequent or shapes is Shapes.EVERY):
                return function(*inputs)
            self.graphs[kind] = self._recorded(function, inputs)
        return (self.graphs[kind] or function)(*inputs)

    def _recorded(self, function: Function, inputs: tuple[Tensor, ...]) -> Function | None:
        with trial(inputs[0].device):
            function(*inputs)  # validates the programs: what is wrong with them is raised here
            return self.tried(lambda: self._graph(function, inputs))

    def _graph(self, function: Function, inputs: tuple[Tensor, ...]) -> Function:
        graph, found = with_found_tensors_as_inputs(record(function, *inputs))
        runnable = self.ready(graph, [*found, *inputs])
        return lambda *given: tuple(runnable(*found, *given))  # inductor returns a list


_calls: ContextVar[Calls | None] = ContextVar("recorded calls", default=None)


@contextmanager
def recorded(enabled: bool = True, into: Calls | None = None) -> Iterator[Calls]:
    """Inside, `run` records and compiles, adding to what is in `into`; not unless `enabled`."""
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
    shapes: Shapes = Shapes.FREQUENT,
) -> tuple[Tensor, ...]:
    """Returns `function(*inputs)`, inside `recorded()` by the graph that is recorded under `key`.

    Arguments:
        key: Names the function. Each key must always be used with the same function.
        function: Takes tensors and returns a tuple of tensors.
        inputs: Its arguments.
        variant: What else the shapes within the function depend on, a number of particles, say: it
            is recorded separately, like another shape of the inputs.
        shapes: Which shapes of the inputs are recorded.
    """
    calls = _calls.get()
    if calls is None:
        return function(*inputs)
    return calls.run(key, variant, shapes, function, *inputs)


def with_found_tensors_as_inputs(graph: GraphModule) -> tuple[GraphModule, list[Tensor]]:
    """Returns the graph with the tensors that it holds as its first inputs, and those tensors."""
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


def _attribute(owner: GraphModule, path: str) -> Tensor:
    *parents, name = path.split(".")
    return getattr(owner.get_submodule(".".join(parents)), name)
