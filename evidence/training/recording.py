"""The loss of a pair and its gradients, recorded once as a graph of operations, and run compiled.

A step of a small VAE is a few matrix products; Python, Pyro's effect handlers and autograd's tape
cost as much again. All of that does the same at every step, so it is done once: the programs run
under `make_fx`, which writes down the tensor operations of the loss and of its gradients, and
inductor fuses what is between the matrix products.

Noise stays in the graph as calls of torch's generator in the order in which the programs ask for
it: a compiled step draws exactly what an eager one would, from the same seed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from pyro import poutine
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx import GraphModule

from evidence.batch import Batch
from evidence.recording.graph import Recorder, record, signature
from evidence.recording.modes import replaced, restored, trial
from evidence.recording.private_torch import Unrecordable
from evidence.structure import Program
from evidence.training.loss import Differentiable, Loss
from evidence.training.pair import Pair, buffers, slots
from evidence.training.per_datum import PerDatum


class StepRecorder(Recorder):
    """Records the loss of model and guide with its gradients, on the first batch that it is given.

    Model and guide are modules, and must be functions of their parameters, their buffers and the
    batch. Attributes of the objective that are tensors, and numbers that it names in `varying` (an
    annealed weight, say), are read at every step; if another number changes, the loss is recorded
    again.

    Batches of another shape (the last of an epoch) have no recording and run eagerly, as does
    everything if the programs cannot be recorded or compiled: `why_eager` then says why.
    """

    def __init__(
        self,
        model: Program,
        guide: Program,
        loss: Differentiable,
        tell: Callable[[str], None],
        backend: str | None = "inductor",
    ) -> None:
        super().__init__(backend)
        self.model, self.guide, self.loss, self.tell = model, guide, loss, tell
        self.last: Recording | None = None

    def of(self, batch: Batch) -> "Recording | None":
        """Returns the recording that `batch` can run by, ready to run; None if it runs eagerly."""
        if (known := self.known(batch)) is not None:
            return known
        if not batch.size or self.why_eager is not None:
            return None
        if self.last is not None and not self.last.fits(batch):
            return None
        with trial(batch.device), restored(buffers(self.model, self.guide)):
            self.last = self.tried(lambda: self._recorded(batch))
        if self.last is None:
            self.tell(f"train.compile: eager after all: {self.why_eager}")
        return self.known(batch)

    def known(self, batch: Batch) -> "Recording | None":
        """Returns the recording that there is for `batch`, ready to run; none is made."""
        if self.last is None or not self.last.fits(batch) or self.last.is_outdated():
            return None
        self.last.refresh()
        return self.last

    def _recorded(self, batch: Batch) -> "Recording":
        recording = PairRecording(Pair(self.model, self.guide, self.loss), batch)
        recording.graph = self.ready(recording.recorded, recording.inputs(batch))
        return recording


class Recording(ABC):
    """The graph of a loss and of its gradients, on batches of one shape.

    It takes (*given, *varying, *batch) to (loss, *gradients): `given` are parameters, buffers and
    other tensors that the programs have, `varying` what changes of the objective.
    """

    def __init__(self, loss: Differentiable, modules: Sequence[nn.Module], batch: Batch) -> None:
        self.loss, self.modules, self.signature = loss, list(modules), signature(batch)
        self.objective = loss.objective if isinstance(loss, PerDatum) else loss
        self.varying = _varying(self.objective)
        dtype = batch.x.dtype if batch else torch.get_default_dtype()
        self.fixed = [
            name
            for name, value in vars(self.objective).items()
            if isinstance(value, bool | int | float | str) and name not in self.varying
        ]
        self.numbers = {
            name: torch.tensor(value, dtype=dtype, device=device_of(batch))
            for name in self.varying
            if not isinstance(value := getattr(self.objective, name), Tensor)
        }
        self.recorded = self.record(batch)
        self.graph: Callable[..., tuple[Tensor | None, ...]] = self.recorded
        self.constants = self._constants()

    @abstractmethod
    def record(self, batch: Batch) -> GraphModule:
        """Records the graph, which takes what `inputs` returns."""

    @abstractmethod
    def held(self) -> list[Tensor]:
        """Returns the tensors of the programs that the graph is called with."""

    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """Returns what the gradients are of."""

    def fits(self, batch: Batch) -> bool:
        """Whether the batch has the recorded shape, strides, type and device."""
        return signature(batch) == self.signature

    def is_outdated(self) -> bool:
        """Whether something that was recorded as a constant has changed."""
        return self._constants() != self.constants

    def __call__(self, batch: Batch) -> Tensor:
        """Returns the loss, left on its device; adds its gradients to those of the parameters."""
        with torch.no_grad():
            loss, *gradients = self.graph(*self.inputs(batch))
        for parameter, gradient in zip(self.parameters(), gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is None:
                parameter.grad = gradient
            else:
                parameter.grad += gradient
        assert loss is not None
        return loss

    def given(self) -> list[Tensor]:
        """Returns what the programs hold, and what varies of the objective: all but the batch."""
        return [*self.held(), *self._varied()]

    def inputs(self, batch: Batch) -> list[Tensor]:
        """Returns all that the graph is called with."""
        return [*self.given(), *batch]

    def refresh(self) -> None:
        """Puts varying numbers where the graph reads them; nothing waits for a device.

        This is done before a step and not in it, since a CUDA graph would repeat it with the
        numbers that it was captured with.
        """
        for name, number in self.numbers.items():
            number.fill_(getattr(self.objective, name))

    def _varied(self) -> list[Tensor]:
        return [self.numbers.get(name, getattr(self.objective, name)) for name in self.varying]

    def _constants(self) -> tuple[list[object], ...]:
        """Returns what a graph takes as given: training or evaluation, the objective's numbers."""
        numbers = [getattr(self.objective, name) for name in self.fixed]
        return [module.training for module in self.modules], numbers


class PairRecording(Recording):
    """The graph of two modules, whose parameters and buffers are known beforehand."""

    def __init__(self, pair: "Pair", batch: Batch) -> None:
        self.pair, self.slots = pair, slots(pair)
        self.learned = [i for i, slot in enumerate(self.slots) if slot.tensor.requires_grad]
        super().__init__(pair.loss, list(pair.modules()), batch)

    def held(self) -> list[Tensor]:
        return [slot.tensor for slot in self.slots]

    def parameters(self) -> list[Tensor]:
        return [self.slots[i].tensor for i in self.learned]

    def record(self, batch: Batch) -> GraphModule:
        names, varied = [slot.name for slot in self.slots], self.varying

        def loss_and_gradients(*inputs: Tensor) -> tuple[Tensor | None, ...]:
            state, rest = inputs[: len(names)], inputs[len(names) :]
            numbers, batch = rest[: len(varied)], rest[len(varied) :]
            with replaced(self.objective, varied, numbers):
                loss = functional_call(self.pair, dict(zip(names, state, strict=True)), batch)
            gradients = torch.autograd.grad(
                loss, [state[i] for i in self.learned], allow_unused=True
            )
            return loss.detach(), *gradients

        with poutine.trace(param_only=True) as captured, torch.enable_grad():
            graph = record(loss_and_gradients, *self.inputs(batch))
        if captured.trace.nodes:
            name = next(iter(captured.trace.nodes))
            raise Unrecordable(f"the programs use pyro.param or pyro.module ({name})")
        return graph


def device_of(batch: Batch) -> torch.device:
    """Returns where the tensors of a call are, or would be."""
    return batch.device if batch else torch.get_default_device()


def _varying(objective: Differentiable) -> tuple[str, ...]:
    """Names the attributes that change as training goes on, which are inputs of the graph."""
    tensors = (name for name, value in vars(objective).items() if isinstance(value, Tensor))
    return (*tensors, *(objective.varying if isinstance(objective, Loss) else ()))
