"""Every private name of torch that recording and the fast step use.

Each name stands in one function. Where a release of torch lacks the name, the function takes a
slower way and says so in one line.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

Graph = Callable[..., tuple[Tensor, ...]]


class Unrecordable(RuntimeError):
    """A program does what no graph of operations holds, or torch has no means to record it."""


def make_fx(
    function: Callable[..., object], decompositions: Mapping[Any, Callable[..., object]]
) -> Callable[..., GraphModule]:
    """Returns torch's recorder of `function`; raises Unrecordable if there is none."""
    try:
        from torch.fx.experimental import proxy_tensor

        recorder = proxy_tensor.make_fx
    except (ImportError, AttributeError) as error:
        raise Unrecordable(
            "this torch has no torch.fx.experimental.proxy_tensor.make_fx"
        ) from error
    return recorder(function, decomposition_table=decompositions)


def standalone_compile(graph: GraphModule, inputs: Sequence[Tensor]) -> Graph:
    """Returns `graph` compiled by inductor alone, for tensors like `inputs`.

    A recorded graph needs neither the first half of torch.compile, which finds a graph in Python
    code, nor its guards, which check at every call whether that still is the graph. Without the
    private function, torch.compile does both: each call takes a little longer.
    """
    try:
        import torch._inductor

        compiler = torch._inductor.standalone_compile
    except (ImportError, AttributeError):
        _say("torch._inductor.standalone_compile", "torch.compile checks its guards at every call")
        return torch.compile(
            graph, dynamic=False, fullgraph=True, options={"fallback_random": True}
        )
    # inductor would find out by compiling and running whether its kernels may use the vector
    # instructions of this CPU, a third of a first recording's time; where torch's own do, they may.
    known = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    patches = {"fallback_random": True, "cpp.vec_isa_ok": True if known else None}
    options = {"config_patches": patches}
    return compiler(graph, list(inputs), dynamic_shapes="from_example_inputs", options=options)


def own_tensors(module: nn.Module) -> tuple[MutableMapping[str, Any], ...]:
    """Returns where `module` itself keeps its parameters and its buffers, by name.

    Raises Unrecordable if this torch keeps them elsewhere.
    """
    try:
        return module._parameters, module._buffers
    except AttributeError as error:
        raise Unrecordable("torch.nn.Module has no _parameters and _buffers") from error


def leaf_of(node: object) -> Tensor | None:
    """Returns the tensor whose gradient this node of a graph adds up; None if it is another node.

    torch has no public name for AccumulateGrad; without it, no parameters are found.
    """
    return getattr(node, "variable", None) if type(node).__name__ == "AccumulateGrad" else None


@contextmanager
def constant_parameters(module: nn.Module) -> Iterator[nn.Module]:
    """Gives `module` with constants in the place of its parameters, until the context closes.

    `torch.func.functional_call` would put the parameters back too early: flows call their networks
    only when a log-density is asked for. Without the private name a copy of the module is given.
    """
    try:
        kept = [
            (own_tensors(part)[0], name, p)
            for part in module.modules()
            for name, p in own_tensors(part)[0].items()
        ]
    except Unrecordable:
        _say("torch.nn.Module._parameters", "the guide is copied at every step")
        yield copy.deepcopy(module).requires_grad_(False)
        return
    try:
        for parameters, name, parameter in kept:
            parameters[name] = None if parameter is None else parameter.detach()
        yield module
    finally:
        for parameters, name, parameter in kept:
            parameters[name] = parameter


def skip_step_where(infinite: Tensor, optimizer: torch.optim.Optimizer) -> bool:
    """Makes the next step of a fused `optimizer` do nothing where `infinite` is 1, on the device.

    This is the protocol of torch.amp.GradScaler. Returns False if the optimizer does not follow it,
    in which case the caller has to read the number.
    """
    if not getattr(optimizer, "_step_supports_amp_scaling", False):
        _say("Optimizer._step_supports_amp_scaling", "every step waits for its loss")
        return False
    optimizer.found_inf = infinite  # type: ignore[attr-defined]
    return True


def ready_step(adam: torch.optim.Adam) -> Callable[[], bool] | None:
    """Returns what does the same as `adam.step()`, without looking at anything twice.

    It returns False, and does nothing, where a parameter has no gradient. All parameters must be
    float32 on the CPU and have moments; and `adam` must be fused, and none of its other switches
    on. Without the private name there is none: `adam.step()` does the same more slowly.
    """
    try:
        step = torch._fused_adam_
    except AttributeError:
        return None
    fixed = [
        (
            group,
            group["params"],
            [adam.state[p]["exp_avg"] for p in group["params"]],
            [adam.state[p]["exp_avg_sq"] for p in group["params"]],
            [adam.state[p]["step"] for p in group["params"]],
        )
        for group in adam.param_groups
    ]

    @torch.no_grad()
    def steps() -> bool:
        gradients = [[p.grad for p in parameters] for _, parameters, *_ in fixed]
        if any(gradient is None for of_group in gradients for gradient in of_group):
            return False
        for of_group, (group, parameters, first, second, counts) in zip(
            gradients, fixed, strict=True
        ):
            torch._foreach_add_(counts, 1)
            step(
                parameters,
                of_group,
                first,
                second,
                [],
                counts,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )
        return True

    return steps


def allow_steps_outside_graphs(optimizer: torch.optim.Optimizer) -> None:
    """Keeps torch from warning that a capturable optimizer also runs by itself, if it would."""
    if hasattr(optimizer, "_warned_capturable_if_run_uncaptured"):
        optimizer._warned_capturable_if_run_uncaptured = True


def onednn_linear() -> Callable[[Tensor, Tensor], Tensor] | None:
    """Returns oneDNN's a bᵀ for float32, or None where torch has no such operation."""
    try:
        linear = torch.ops.mkldnn._linear_pointwise.default
    except AttributeError:
        return None  # MKL's products are right, too
    return lambda a, b: linear(a, b, None, "none", [], "")


def cpu_has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; without the name, no CPU is taken to."""
    try:
        return bool(torch.cpu._is_avx512_bf16_supported())
    except AttributeError:
        return False  # forces are then computed in float32, more slowly


def _say(name: str, instead: str) -> None:
    """Warns in one line, once, that this torch lacks `name`."""
    warnings.warn(f"this torch has no {name}: {instead}", RuntimeWarning, stacklevel=3)
