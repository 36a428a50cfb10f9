"""An objective recorded once as a graph of tensor operations, and run compiled.

A step of a small VAE is a few matrix products; Python, Pyro's effect handlers and autograd's tape cost as much again. All
of that does the same at every step, so it is done once: the programs run under `make_fx`, which writes down the tensor
operations of the loss and of its gradients, and `torch.compile` fuses what is between the matrix products.

Noise stays in the graph as calls of torch's generator in the order in which the programs ask for it: a compiled step
draws exactly what an eager one would, from the same seed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from pyro import poutine
from pyro.infer import Trace_ELBO
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import GraphModule

from evidence.recording import compiled, one_line, record
from evidence.recording.modes import OnDevice, replaced, restored, trial, without_nan_warnings

Graph = Callable[..., tuple[Tensor | None, ...]]
"""(*state, *varying numbers, *batch) -> (loss, *gradients)."""


class Unrecordable(RuntimeError):
    """The programs do something that a graph of tensor operations does not hold."""


class CompiledELBO(Trace_ELBO):
    """`objective`, compiled: `SVI(model, guide, optimiser, loss=CompiledELBO(objective))`.

    `objective` has Pyro's `differentiable_loss(model, guide, *batch)`; with `per_datum` it is divided by the number of
    data in the batch. Model and guide are modules, and must be functions of their parameters, their buffers and the batch.
    Attributes of the objective that are tensors, and numbers that it names in `varying` (an annealed weight, say), are read
    anew at every step; any other number that changes makes it record again.

    The first batch is recorded. Batches of another shape (the last of an epoch) run eagerly, as does everything if the
    programs cannot be recorded or compiled: `why_eager` then says why. `backend` is torch.compile's; None runs the
    recorded graph as it is.
    """

    def __init__(
        self, objective: Any, per_datum: bool = False, backend: str | None = "inductor"
    ) -> None:
        super().__init__()
        self.objective, self.per_datum, self.backend = objective, per_datum, backend
        self.why_eager: str | None = None
        self._recording: Recording | None = None

    def differentiable_loss(self, model: nn.Module, guide: nn.Module, *batch: Tensor) -> Tensor:
        """The objective itself, eagerly."""
        loss = self.objective.differentiable_loss(model, guide, *batch)
        return loss / len(batch[0]) if self.per_datum else loss

    def loss(self, model: nn.Module, guide: nn.Module, *batch: Tensor) -> float:
        """The loss without gradients, eagerly."""
        with torch.no_grad():
            return self.differentiable_loss(model, guide, *batch).item()

    def loss_and_grads(self, model: nn.Module, guide: nn.Module, *batch: Tensor) -> Tensor:
        """The loss, a scalar left on its device; adds its gradients to those of the parameters."""
        recording = self.recording(model, guide, batch)
        if recording is None:
            return eager_loss_and_grads(self.differentiable_loss, model, guide, *batch)
        return recording(batch)

    def recording(
        self, model: nn.Module, guide: nn.Module, batch: tuple[Tensor, ...]
    ) -> "Recording | None":
        """What was recorded, the first time now, or again where a constant has changed; None where this batch runs eagerly."""
        if self.why_eager is None and (
            self._recording is None or self._recording.is_outdated(model, guide, batch)
        ):
            self._record(model, guide, batch)
        if self._recording is None or not self._recording.fits(batch):
            return None
        self._recording.refresh()
        return self._recording

    def _record(self, model: nn.Module, guide: nn.Module, batch: tuple[Tensor, ...]) -> None:
        """Record, compile and try; whatever goes wrong there, eager always works."""
        try:
            with trial(batch[0].device), restored(buffers(model, guide)):
                recording = Recording(self, model, guide, batch)
                if self.backend is not None:
                    recording.compile(self.backend, batch)
                recording.run(batch)
        except Exception as error:
            self._recording, self.why_eager = None, one_line(error)
        else:
            self._recording = recording


class Recording:
    """The graph of one pair on batches of one shape."""

    def __init__(
        self, elbo: CompiledELBO, model: nn.Module, guide: nn.Module, batch: tuple[Tensor, ...]
    ) -> None:
        self.elbo, self.pair, self.shapes = elbo, Pair(elbo, model, guide), _shapes(batch)
        self.modules, self.slots = list(self.pair.modules()), self._slots()
        self.numbers = {name: _as_tensor(value, batch[0]) for name, value in self._plain_numbers()}
        self.learnt = [
            i for i, (_, tensors, key) in enumerate(self.slots) if tensors[key].requires_grad
        ]
        self.recorded = self._trace(batch)
        self.graph: Graph = self.recorded
        self.constants = self._constants()

    def fits(self, batch: tuple[Tensor, ...]) -> bool:
        """Whether the batch has the recorded shape, strides, type and device."""
        return _shapes(batch) == self.shapes

    def is_outdated(self, model: nn.Module, guide: nn.Module, batch: tuple[Tensor, ...]) -> bool:
        """Whether something that was recorded as a constant is another one now."""
        other_pair = self.pair.model is not model or self.pair.guide is not guide
        return other_pair or (self.fits(batch) and self._constants() != self.constants)

    def compile(self, backend: str, batch: tuple[Tensor, ...]) -> None:
        """Replace the graph by a compiled one."""
        self.graph = compiled(self.recorded, self._inputs(batch), backend)

    @torch.no_grad()
    def run(self, batch: tuple[Tensor, ...]) -> tuple[Any, ...]:
        """(loss, *gradients) at the present parameters, buffers and varying numbers."""
        return self.graph(*self._inputs(batch))

    def __call__(self, batch: tuple[Tensor, ...]) -> Tensor:
        loss, *gradients = self.run(batch)
        for i, gradient in zip(self.learnt, gradients, strict=True):
            _, tensors, key = self.slots[i]
            parameter = tensors[key]
            if parameter.grad is None:
                parameter.grad = gradient
            elif gradient is not None:
                parameter.grad += gradient
        return loss

    def _constants(self) -> tuple[list[Any], ...]:
        """What a graph takes as given: training or evaluation, and the plain numbers of the objective."""
        changing = varying(self.elbo.objective)
        plain = (
            vars(self.elbo.objective).items() if hasattr(self.elbo.objective, "__dict__") else ()
        )
        numbers = [
            (k, v)
            for k, v in plain
            if isinstance(v, bool | int | float | str) and k not in changing
        ]
        return [module.training for module in self.modules], numbers

    def _slots(self) -> list[tuple[str, Any, str]]:
        """Names of parameters and buffers, and where they live: a module may put another tensor there at any time."""
        found: dict[int, tuple[str, Any, str]] = {}
        for prefix, module in self.pair.named_modules():
            for tensors in (module._parameters, module._buffers):
                for key, tensor in tensors.items():
                    if tensor is not None:
                        found.setdefault(id(tensor), (f"{prefix}.{key}", tensors, key))
        return list(found.values())

    def given(self) -> list[Tensor]:
        """Parameters, buffers, and what varies of the objective: all that a step is given but its batch."""
        objective = self.elbo.objective
        state = [tensors[key] for _, tensors, key in self.slots]
        return state + [
            self.numbers.get(name, getattr(objective, name)) for name in varying(objective)
        ]

    @torch.no_grad()
    def refresh(self) -> None:
        """Put varying numbers where the graph reads them, before a step and not in it: a CUDA graph would do it again with the
        numbers that it was captured with. Nothing waits for a device."""
        for name, value in self._plain_numbers():
            self.numbers[name].fill_(value)

    def _plain_numbers(self) -> Iterator[tuple[str, float]]:
        objective = self.elbo.objective
        values = ((name, getattr(objective, name)) for name in varying(objective))
        return ((name, value) for name, value in values if not isinstance(value, Tensor))

    def _inputs(self, batch: tuple[Tensor, ...]) -> list[Tensor]:
        return [*self.given(), *batch]

    def _trace(self, batch: tuple[Tensor, ...]) -> GraphModule:
        names, varied = [name for name, _, _ in self.slots], varying(self.elbo.objective)

        def loss_and_gradients(*inputs: Tensor) -> tuple[Tensor | None, ...]:
            state, rest = inputs[: len(names)], inputs[len(names) :]
            numbers, batch = list(rest[: len(varied)]), rest[len(varied) :]
            with replaced(self.elbo.objective, varied, numbers):
                loss = functional_call(self.pair, dict(zip(names, state, strict=True)), batch)
            gradients = torch.autograd.grad(
                loss, [state[i] for i in self.learnt], allow_unused=True
            )
            return loss.detach(), *gradients

        with poutine.trace(param_only=True) as captured, torch.enable_grad():
            graph = record(loss_and_gradients, *self._inputs(batch))
        if captured.trace.nodes:
            raise Unrecordable(
                f"the programs use pyro.param or pyro.module ({next(iter(captured.trace.nodes))})"
            )
        return graph


class Pair(nn.Module):
    """Objective of model and guide as one module, so that all its tensors can be replaced for a call."""

    def __init__(self, elbo: CompiledELBO, model: nn.Module, guide: nn.Module) -> None:
        super().__init__()
        if not (isinstance(model, nn.Module) and isinstance(guide, nn.Module)):
            raise Unrecordable("model and guide must be modules for their parameters to be known")
        self.model, self.guide, self.loss = model, guide, elbo.differentiable_loss

    def forward(self, *batch: Tensor) -> Tensor:
        given = dict(self.named_buffers())
        loss = self.loss(self.model, self.guide, *batch)
        for name, buffer in self.named_buffers():
            if buffer is not given.get(name):
                raise Unrecordable(
                    f"the programs put another tensor in the place of the buffer {name}; update it in place"
                )
        return loss


def eager_loss_and_grads(
    loss: Callable[..., Tensor], model: nn.Module, guide: nn.Module, *batch: Tensor
) -> Tensor:
    """The loss, a scalar left on its device, after a backward pass."""
    if batch[0].device.type == "cpu":  # reading a number costs nothing there
        value = loss(model, guide, *batch)
    else:
        with without_nan_warnings(), OnDevice():
            value = loss(model, guide, *batch)
    value.backward()
    return value.detach()


def buffers(*programs: Any) -> list[Tensor]:
    """Those of the programs that are modules."""
    return [
        buffer
        for program in programs
        if isinstance(program, nn.Module)
        for buffer in program.buffers()
    ]


def varying(objective: Any) -> tuple[str, ...]:
    """The attributes of an objective that change as training goes, and are inputs of the graph."""
    tensors = (
        name
        for name, value in getattr(objective, "__dict__", {}).items()
        if isinstance(value, Tensor)
    )
    return (*tensors, *getattr(objective, "varying", ()))


def _as_tensor(value: float, like: Tensor) -> Tensor:
    return torch.tensor(value, dtype=like.dtype, device=like.device)


def _shapes(batch: tuple[Tensor, ...]) -> list[tuple[Any, ...]]:
    return [(x.shape, x.stride(), x.dtype, x.device) for x in batch]
