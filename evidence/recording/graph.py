"""From a Python function of tensors to a compiled graph of their operations."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.fx import GraphModule

from evidence.recording import products, softplus
from evidence.recording.modes import recording_mode
from evidence.recording.private_torch import Graph, make_fx, standalone_compile

T = TypeVar("T")
log = logging.getLogger(__name__)
# From how many operations on a user is told that compiling takes long, and what each takes, about.
LARGE, SECONDS_AN_OPERATION = 5000, 0.015


@dataclass
class Recorder:
    """Records functions of tensors as graphs; where that fails, `why_eager` says why in one line.

    `backend` is torch.compile's; None runs recorded graphs as they are.
    """

    backend: str | None = "inductor"
    why_eager: str | None = None

    def tried(self, make: Callable[[], T]) -> T | None:
        """Returns what `make` records and compiles, or None: whatever fails, eager always works."""
        try:
            return make()
        except Exception as error:
            self.why_eager = one_line(error)
            return None

    def ready(self, graph: GraphModule, inputs: Sequence[Tensor]) -> Graph:
        """Returns `graph` compiled for tensors like `inputs`, after one run to show any fault."""
        runnable = graph if self.backend is None else compiled(graph, inputs, self.backend)
        with torch.no_grad():
            runnable(*inputs)
        return runnable


def record(function: Callable[..., object], *inputs: Tensor) -> GraphModule:
    """Returns the tensor operations of `function(*inputs)`, written down once.

    Noise stays in the graph as calls of torch's generator, in the order in which the function asks
    for it: the graph draws exactly what the function would, from the same seed.
    """
    with recording_mode():
        return make_fx(function, softplus.DECOMPOSITIONS | products.DECOMPOSITIONS)(*inputs)


def compiled(graph: GraphModule, inputs: Sequence[Tensor], backend: str = "inductor") -> Graph:
    """Returns `graph`, compiled for the shapes, types and devices of `inputs`.

    The caller makes sure that it is only called with such tensors. inductor's `fallback_random`
    keeps torch's generator and the order of its calls.
    """
    if (size := len(graph.graph.nodes)) > LARGE:
        log.warning(
            f"compiling {size:,} operations: about {size * SECONDS_AN_OPERATION:.0f} s, once"
        )
    # These loggers only say that there is no GPU, and that nothing was saved.
    for name in ("torch.utils.cpp_extension", "torch._inductor.standalone_compile"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if backend != "inductor":
        return torch.compile(graph, backend=backend, dynamic=False, fullgraph=True)
    with torch.no_grad():
        return standalone_compile(graph, inputs)


def signature(inputs: Sequence[Tensor]) -> tuple[object, ...]:
    """Returns what a graph was recorded for: shape, strides, type and device of every input."""
    return tuple((x.shape, x.stride(), x.dtype, x.device) for x in inputs)


def one_line(error: BaseException) -> str:
    """Returns the kind and the first line of an error, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
