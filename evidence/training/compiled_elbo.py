"""Pyro's ELBO, recorded once and run compiled: for Pyro's own SVI."""

import logging
from collections.abc import Callable

import torch
from pyro.infer import ELBO, Trace_ELBO
from pyro.util import warn_if_nan
from torch import Tensor

from evidence.batch import Batch
from evidence.structure import Program
from evidence.training.loss import Differentiable
from evidence.training.recording import StepRecorder

log = logging.getLogger(__name__)


class CompiledELBO(ELBO):
    """Computes what `loss` does, with its gradients, as one compiled graph.

    The first step runs as Pyro runs it, with its checks of the arguments. What is recorded at the
    second one draws the noise that Pyro would: from one seed the losses are the same, to rounding.
    A pair that cannot be recorded runs eagerly, and `tell` is told why in a line. So do batches of
    another shape than the first (the last of an epoch), and calls with other arguments than
    tensors.

    Arguments:
        loss: Trace_ELBO(), or another of Pyro's that has a `differentiable_loss`.
        tell: Is told what a user should know.
        backend: That of torch.compile; None runs the recorded graph as it is, for tests.

    >>> import pyro, torch
    >>> from evidence.example import Pair, x             # yours go here
    >>> from evidence.training import CompiledELBO, FusedAdam
    >>> pair = Pair()
    >>> elbo = CompiledELBO(backend=None)
    >>> svi = pyro.infer.SVI(pair.model, pair.guide, FusedAdam([pair], 1e-2), elbo)
    >>> losses = [svi.step(x) for _ in range(300)]
    >>> sum(losses[-50:]) < sum(losses[:50]), elbo.why_eager
    (True, None)
    """

    def __init__(
        self,
        loss: Differentiable | None = None,
        tell: Callable[[str], None] = log.warning,
        backend: str | None = "inductor",
    ) -> None:
        super().__init__()
        self.eager = Trace_ELBO() if loss is None else loss
        self.tell, self.backend = tell, backend
        self.pair: tuple[Program, Program] | None = None
        self.recorder: StepRecorder | None = None

    def _get_trace(self, model: object, guide: object, args: object, kwargs: object) -> None:
        raise NotImplementedError("`eager` makes its traces itself")

    @property
    def why_eager(self) -> str | None:
        """Why steps run eagerly, in a line; None if they run compiled, or none was taken."""
        return None if self.recorder is None else self.recorder.why_eager

    def differentiable_loss(self, model: Program, guide: Program, *batch: Tensor) -> Tensor:
        """Returns the loss as Pyro computes it, for a backward pass of the caller's."""
        return self.eager.differentiable_loss(model, guide, *batch)

    def loss(self, model: Program, guide: Program, *batch: Tensor) -> float:
        """Returns the loss as a number, as Pyro computes it."""
        with torch.no_grad():
            return float(self.differentiable_loss(model, guide, *batch))

    def loss_and_grads(self, model: Program, guide: Program, *batch: Tensor) -> float:
        """Returns the loss as a number, and adds its gradients to those of the parameters."""
        recording = None
        if self.pair != (model, guide):  # the first step: nothing is recorded yet
            self.pair = model, guide
            self.recorder = StepRecorder(model, guide, self.eager, self.tell, self.backend)
        elif batch and all(isinstance(column, Tensor) for column in batch):
            assert self.recorder is not None
            recording = self.recorder.of(Batch(batch))
        if recording is None:
            loss = self.eager.differentiable_loss(model, guide, *batch)
            loss.backward()
        else:
            loss = recording(Batch(batch))
        return float(warn_if_nan(loss.detach(), "loss"))
