"""Pyro's SVI, made fast: this is all that the training loop knows of graphs, GPUs and processes."""

import logging
import math
from collections.abc import Callable

import pyro
import torch
from pyro.infer import SVI
from torch import Tensor

from evidence.batch import Batch
from evidence.recording.modes import OnDevice, restored, trial
from evidence.recording.private_pyro import without_nan_checks
from evidence.training.cuda_graph import Capture, StepGraph
from evidence.training.loss import Loss
from evidence.training.optimizer import FusedAdam
from evidence.training.pair import buffers
from evidence.training.recording import Recording, StepRecorder
from evidence.weights import Program
from inference.nonfinite import NO_SITE, NonFinite, broken_site, refusals_named
from parallel import group
from parallel.gradients import Average

log = logging.getLogger(__name__)
LOSSES_READ_TOGETHER = 100


class FastSVI(SVI):
    """Takes the place of `SVI(model, guide, optim, loss)`; its steps do the same, faster.

    - Before the first step the programs run once with Pyro's and torch's validation of arguments
      on, and never again.
    - A step that is to be `compiled` runs as a recorded graph (evidence/training/recording.py), on
      a GPU as one CUDA graph (evidence/training/cuda_graph.py). If it cannot, `tell` is told why.
    - Of several processes each is given its share of a batch, none of it perhaps. Loss and
      gradients are those of the whole batch.
    - A step whose loss is not finite changes no parameter, and raises NonFinite when its loss is
      read: at once on the CPU, `LOSSES_READ_TOGETHER` at a time on a GPU, which need not wait then.
    """

    optim: FusedAdam

    def __init__(
        self,
        model: Program,
        guide: Program,
        optim: FusedAdam,
        loss: Loss,
        compiled: bool = True,
        tell: Callable[[str], None] = log.warning,
        backend: str | None = "inductor",
    ) -> None:
        super().__init__(model, guide, optim, loss=loss)
        self.objective = loss
        self.recorder = StepRecorder(model, guide, loss, tell, backend) if compiled else None
        self.capture = Capture(optim, tell)
        self.average = Average(optim.parameters)
        self.is_validated = False
        self.losses: list[Tensor] = []
        self.last_batch = Batch()

    @property
    def is_compiled(self) -> bool:
        return self.recorder is not None and self.recorder.why_eager is None

    def step(self, *columns: Tensor) -> Tensor:
        """Takes a gradient step on the loss of a batch; returns that loss, left on its device."""
        self.last_batch = batch = Batch(columns)
        recording = None if self.recorder is None else self.recorder.known(batch)
        if recording is None:
            with refusals_named(self.model, self.guide, batch):
                self._validate(batch)
                with pyro.validation_enabled(False):
                    loss = self._step(batch, self._recording(batch))
        else:  # no program runs, so there is nothing to name or to validate
            loss = self._step(batch, recording)
        if self.optim.decided_on_device or self.optim.skip:
            self.losses.append(loss)
            if self.optim.skip or len(self.losses) == LOSSES_READ_TOGETHER:
                self.read()
        return loss

    def read(self) -> list[float]:
        """Returns the losses since the last reading; raises NonFinite, naming the broken site."""
        if not self.losses:
            return []
        losses: list[float] = torch.stack(self.losses).tolist()
        self.losses.clear()
        first = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if first is not None:
            sites = group.gather(broken_site(self.model, self.guide, self.last_batch))
            site = next((site for site in sites if site != NO_SITE), NO_SITE)
            raise NonFinite(f"loss {losses[first]} at {site}", steps_ago=len(losses) - 1 - first)
        return losses

    def gradients(self, batch: Batch) -> Tensor:
        """Returns the loss of a batch, left on its device, and adds its gradients."""
        return self._gradients(batch, self._recording(batch))

    def _gradients(self, batch: Batch, recording: Recording | None) -> Tensor:
        return self._eager_gradients(batch) if recording is None else recording(batch)

    def _step(self, batch: Batch, recording: Recording | None) -> Tensor:
        if recording is not None and (graph := self._graph(batch, recording)) is not None:
            return graph(batch)
        loss = self._gradients(batch, recording) if batch.size else batch.x.new_zeros(())
        if group.count() > 1:
            loss = self.average(loss, batch.size)
        self.optim.skip_unless_finite(loss)
        self.optim.step()
        return loss

    def _recording(self, batch: Batch) -> Recording | None:
        return None if self.recorder is None else self.recorder.of(batch)

    def _graph(self, batch: Batch, recording: Recording) -> StepGraph | None:
        if group.count() > 1 or not self.capture.is_possible(batch.device):
            return None
        return self.capture.of(recording, batch)

    def _eager_gradients(self, batch: Batch) -> Tensor:
        if batch.device.type == "cpu":  # reading a number costs nothing there
            loss = self.objective.differentiable_loss(self.model, self.guide, *batch)
        else:
            with without_nan_checks(), OnDevice():
                loss = self.objective.differentiable_loss(self.model, self.guide, *batch)
        loss.backward()
        return loss.detach()

    def _validate(self, batch: Batch) -> None:
        if self.is_validated or not batch.size:
            return
        self.is_validated = True
        unchanged = restored(buffers(self.model, self.guide))
        with pyro.validation_enabled(True), trial(batch.device), unchanged:
            self.objective.loss(self.model, self.guide, *batch)
