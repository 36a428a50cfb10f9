"""One step of stochastic variational inference."""

import math
from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import SVI
from torch import Tensor, nn

from errors import TrainingError
from evidence.recording import one_line
from evidence.recording.modes import restored, trial
from inference.fast import cuda_graph
from inference.fast.compiled import CompiledELBO, buffers
from inference.optimiser import FusedAdam
from parallel import group
from parallel.gradients import Average

LOSSES_READ_TOGETHER = 100
NO_SITE = "no single site (each is finite, their sum is not)"


class NonFinite(TrainingError):
    """The loss `steps_ago` was NaN or infinite; the parameters have not been updated with it."""

    def __init__(self, message: str, steps_ago: int = 0) -> None:
        super().__init__(message)
        self.steps_ago = steps_ago


class DeviceSVI(SVI):
    """Pyro's SVI, which leaves the loss on the device: reading it as a number would wait for the device at every step.

    On a GPU a compiled step is captured as a CUDA graph once it has run (inference/fast/cuda_graph.py); `why_not_captured` says
    why it could not be.
    """

    optim: FusedAdam

    def __init__(
        self, model: nn.Module, guide: nn.Module, optim: FusedAdam, loss: CompiledELBO
    ) -> None:
        super().__init__(model, guide, optim, loss=loss)
        self.elbo, self.average = loss, Average(optim.parameters)
        self.graph: cuda_graph.StepGraph | None = None
        self.why_not_captured: str | None = None

    def step(self, *batch: Tensor, share: float = 1.0) -> Tensor:
        """One step; the loss before it. Parameters are left alone where it is not finite.

        Of several processes each has a `share` of the batch, none perhaps; the loss is that of the whole.
        """
        if (graph := self._captured(batch)) is not None:
            return graph(batch)
        loss = batch[0].new_zeros(())
        if len(batch[0]):
            loss = self.loss_and_grads(self.model, self.guide, *batch)
        if group.count() > 1:
            loss = self.average(loss, share)
        self.optim.skip_unless_finite(loss)
        self.optim(())
        return loss

    def _captured(self, batch: tuple[Tensor, ...]) -> cuda_graph.StepGraph | None:
        """This step as a CUDA graph, if it can be one: it has run compiled before, and there is one process."""
        if (
            self.why_not_captured is not None
            or group.count() > 1
            or not cuda_graph.can_capture(batch[0].device)
        ):
            return None
        recording = self.elbo.recording(self.model, self.guide, batch)
        if recording is None or not self.optim.moments():
            return None
        if self.graph is None or not self.graph.fits(recording, batch):
            try:
                self.graph = cuda_graph.StepGraph(recording, self.optim, batch)
            except Exception as error:  # whatever goes wrong there, the step itself works
                self.graph, self.why_not_captured = None, one_line(error)
                for parameter in self.optim.parameters:
                    parameter.grad = None
        return self.graph


class Step:
    """SVI on `objective`, as loss per datum: batches of any size then weigh the same against `weight_decay` and
    `clip_norm`. Before the first step the programs run once with Pyro's and torch's validation of arguments on.

    The CPU's losses are read at every step; those of a GPU are gathered there and read `LOSSES_READ_TOGETHER`. `tell` is told,
    in one line, why a step that was to be `compiled` is not.
    """

    def __init__(
        self,
        model: nn.Module,
        guide: nn.Module,
        optimiser: FusedAdam,
        objective: Any,
        compiled: bool,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.model, self.guide = model, guide
        self.loss = CompiledELBO(objective, per_datum=True)
        if not compiled:
            self.loss.why_eager = "not asked to"
        self.svi = DeviceSVI(model, guide, optimiser, loss=self.loss)
        self.losses: list[Tensor] = []
        self.validated = False
        self.tell, self.told = tell, {self.loss.why_eager, None}

    @property
    def is_compiled(self) -> bool:
        """Whether steps have been running compiled."""
        return self.loss.why_eager is None

    def __call__(self, *batch: Tensor, share: float = 1.0) -> None:
        if not self.validated and len(batch[0]):
            self._validate(*batch)
        with pyro.validation_enabled(False):
            self.losses.append(self.svi.step(*batch, share=share))
        if self.loss.why_eager not in self.told or self.svi.why_not_captured not in self.told:
            self._tell_why_not()
        if batch[0].device.type == "cpu" or len(self.losses) == LOSSES_READ_TOGETHER:
            self.read(*batch)

    def read(self, *batch: Tensor) -> list[float]:
        """The losses since the last reading, in nats per datum. Raises NonFinite, naming the site that broke."""
        if not self.losses:
            return []
        losses: list[float] = torch.stack(self.losses).tolist()
        self.losses.clear()
        first = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if first is not None:
            sites = group.gather(broken_site(self.model, self.guide, *batch))
            site = next((site for site in sites if site != NO_SITE), NO_SITE)
            raise NonFinite(f"loss {losses[first]} at {site}", steps_ago=len(losses) - 1 - first)
        return losses

    def _tell_why_not(self) -> None:
        for what, why in (
            ("eager", self.loss.why_eager),
            ("compiled, not one CUDA graph", self.svi.why_not_captured),
        ):
            if why not in self.told:
                self.told.add(why)
                self.tell(f"train.compile: {what} after all: {why}")

    def _validate(self, *batch: Tensor) -> None:
        self.validated = True
        with (
            pyro.validation_enabled(True),
            trial(batch[0].device),
            restored(buffers(self.model, self.guide)),
        ):
            self.loss.loss(self.model, self.guide, *batch)


@torch.no_grad()
def broken_site(model: nn.Module, guide: nn.Module, *batch: Tensor) -> str:
    """The first site, guide before model, whose value, parameters or log-probability are not finite."""
    if not len(batch[0]):  # the part of a process that has none of a short batch
        return NO_SITE
    with pyro.validation_enabled(False):
        guide_trace = poutine.trace(guide).get_trace(*batch)
        model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*batch)
    for program, trace in (("guide", guide_trace), ("model", model_trace)):
        for name, site in dict[str, Any](trace.nodes).items():
            if site["type"] != "sample" or not isinstance(site["value"], Tensor) or name == "data":
                continue
            if not bool(site["value"].isfinite().all()):
                return f"site {name!r} of the {program} (its value)"
            if not bool(site["fn"].log_prob(site["value"]).isfinite().all()):
                return f"site {name!r} of the {program} (its log-probability)"
    return NO_SITE
