"""From a Python function of tensors to a compiled graph of their operations."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch._inductor
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from evidence.recording.modes import recording_mode
from evidence.recording.softplus import DECOMPOSITIONS


def record(function: Callable[..., Any], *inputs: Tensor) -> GraphModule:
    """The tensor operations of `function(*inputs)`, written down once.

    Noise stays in the graph as calls of torch's generator, in the order in which the function asks for it: the graph draws
    exactly what the function would, from the same seed.
    """
    with recording_mode():
        return make_fx(function, decomposition_table=DECOMPOSITIONS)(*inputs)


def compiled(
    graph: GraphModule, inputs: Sequence[Tensor], backend: str = "inductor"
) -> Callable[..., Any]:
    """`graph`, compiled for tensors of the shapes, types and devices of `inputs`, which its caller has to see to.

    A recorded graph has no need of torch.compile's first half, which finds a graph in Python code, nor of its guards, which at
    every call look whether that still is the graph: inductor is given it as it is. `fallback_random` keeps torch's generator
    and the order of its calls.
    """
    for name in (
        "torch.utils.cpp_extension",
        "torch._inductor.standalone_compile",
    ):  # no GPU, nothing to save: no news
        logging.getLogger(name).setLevel(logging.ERROR)
    if backend != "inductor":
        return torch.compile(graph, backend=backend, dynamic=False, fullgraph=True)
    options = {"config_patches": {"fallback_random": True}}
    with torch.no_grad():
        return torch._inductor.standalone_compile(
            graph, list(inputs), dynamic_shapes="from_example_inputs", options=options
        )


def one_line(error: BaseException) -> str:
    """The first line of an error, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
