"""From a Python function of tensors to a compiled graph of their operations."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from recording.modes import recording_mode
from recording.softplus import DECOMPOSITIONS


def record(function: Callable[..., Any], *inputs: Any) -> torch.fx.GraphModule:
    """The tensor operations of `function(*inputs)`, written down once.

    Noise stays in the graph as calls of torch's generator, in the order in which the function asks for it: the graph draws
    exactly what the function would, from the same seed.
    """
    with recording_mode():
        return make_fx(function, decomposition_table=DECOMPOSITIONS)(*inputs)


def compiled(graph: Callable[..., Any], backend: str = "inductor") -> Callable[..., Any]:
    """`graph`, compiled. `fallback_random` keeps torch's generator and the order of its calls."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # no GPU is no news
    options: dict[str, Any] | None = {"fallback_random": True} if backend == "inductor" else None
    return torch.compile(graph, backend=backend, options=options, dynamic=False, fullgraph=True)


def one_line(error: BaseException) -> str:
    """The first line of an error, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]
