"""What SVI minimizes."""

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from evidence.structure import Program


@runtime_checkable
class Differentiable(Protocol):
    """What a step can be recorded of: a `Loss`, or Pyro's own Trace_ELBO and its kin."""

    def differentiable_loss(self, model: Program, guide: Program, *batch: Tensor) -> Tensor:
        """Returns the loss of a batch; its gradient is what SVI follows."""


class Loss(ABC):
    """A loss of a pair on a batch, with what Pyro's SVI and the recorder of steps ask of it.

    It serves as the loss of Pyro's own SVI: `SVI(model, guide, optimizer, loss=this)`.
    """

    # The attributes that are other numbers at some steps (an annealed weight, say); tensors among
    # the attributes may change at any time.
    varying: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns the loss of a batch; its gradient is what SVI follows.

        Arguments:
            model: p(x, z), a Pyro program of the columns of a batch.
            guide: q(z|x), a Pyro program of the same columns.
            batch: x (N, *shape), and whatever else the programs take.

        Raises:
            ValueError: The pair is none that this loss is meant for.
        """

    def __call__(self, model: Program, guide: Program, *batch: Tensor) -> Float[Tensor, ""]:
        """Returns the differentiable loss: Pyro's SVI calls a loss that is no `pyro.infer.ELBO`."""
        return self.differentiable_loss(model, guide, *batch)

    @torch.no_grad()
    def loss(self, model: Program, guide: Program, *batch: Tensor) -> float:
        """Returns the loss as a number: what Pyro's SVI asks of a `pyro.infer.ELBO`."""
        return float(self.differentiable_loss(model, guide, *batch))

    def loss_and_grads(self, model: Program, guide: Program, *batch: Tensor) -> float:
        """Returns the loss as a number, and adds its gradients to those of the parameters."""
        loss = self.differentiable_loss(model, guide, *batch)
        loss.backward()
        return float(loss.detach())
