"""Pyro's ELBO, recorded once and run compiled: for Pyro's own SVI."""

import logging
from collections.abc import Callable

import torch
from pyro.infer import ELBO, Trace_ELBO
from pyro.util import warn_if_nan
from torch import Tensor

from evidence.structure import Program
from evidence.training.call_recorder import Arguments, CallRecorder
from evidence.training.loss import Differentiable

log = logging.getLogger(__name__)


class CompiledELBO(ELBO):
    """Computes what `loss` does, with its gradients, as one compiled graph.

    The first step runs as Pyro runs it, with its checks of the arguments. What is recorded at the
    second one draws the noise that Pyro would: from one seed the losses are the same, to rounding.
    What cannot be recorded runs eagerly, and `tell` is told why in a line.

    Model and guide are any Pyro programs: modules, methods of them, functions, with parameters in
    Pyro's store or not. They must do the same at every call, up to the tensors that they are given
    and hold. Arguments that are tensors, alone or in lists, may be others at every call; anything
    else is a constant. A call of another shape or with other constants (the last batch of an epoch,
    data with labels beside data without) is recorded once it comes often.

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
        self.pair: tuple[object, object] | None = None
        self.recorder = CallRecorder(self.eager, backend)

    def _get_trace(self, model: object, guide: object, args: object, kwargs: object) -> None:
        raise NotImplementedError("`eager` makes its traces itself")

    @property
    def why_eager(self) -> str | None:
        """Why steps run eagerly, in a line; None if they run compiled, or none was taken."""
        return self.recorder.why_eager

    def differentiable_loss(
        self, model: Program, guide: Program, *args: object, **kwargs: object
    ) -> Tensor:
        """Returns the loss as Pyro computes it, for a backward pass of the caller's."""
        eager: Callable[..., Tensor] = self.eager.differentiable_loss  # it takes what they take
        return eager(model, guide, *args, **kwargs)

    def loss(self, model: Program, guide: Program, *args: object, **kwargs: object) -> float:
        """Returns the loss as a number, as Pyro computes it."""
        with torch.no_grad():
            return float(self.differentiable_loss(model, guide, *args, **kwargs))

    def loss_and_grads(
        self, model: Program, guide: Program, *args: object, **kwargs: object
    ) -> float:
        """Returns the loss as a number, and adds its gradients to those of the parameters."""
        if self.pair != (model, guide):  # the first step of a pair: nothing is recorded yet
            self.pair, self.recorder = (model, guide), CallRecorder(self.eager, self.backend)
        was_eager = self.why_eager
        loss = self.recorder.loss_and_grads(model, guide, Arguments.of(args, kwargs))
        if self.why_eager != was_eager:
            self.tell(f"CompiledELBO: eager after all: {self.why_eager}")
        return float(warn_if_nan(loss, "loss"))
