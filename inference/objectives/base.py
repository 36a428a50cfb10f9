"""What every objective declares."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from evidence.batch import Batch


class Objective(ABC):
    """What SVI minimises: minus a bound, summed over the data of a batch, in nats.

    It serves as the `loss` of Pyro's own SVI: `SVI(model, guide, optimizer, loss=objective)`.
    """

    varying: ClassVar[tuple[str, ...]] = ()  # attributes that `at_epoch` changes
    one_latent_only: ClassVar[bool] = False  # whether a second latent site would make it wrong
    couples_data: ClassVar[str | None] = None  # why the loss is no sum over the data, if it is not

    @abstractmethod
    def differentiable_loss(
        self, model: nn.Module, guide: nn.Module, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch; its gradient is what SVI follows."""

    def at_epoch(self, epoch: int, epochs: int) -> None:
        """Sets what changes from epoch to epoch, before `epoch` of `epochs`, counted from 0."""

    def describe(self, model: nn.Module, guide: nn.Module, batch: Batch) -> str | None:
        """Returns what a user should know about the objective of this pair, in one line."""
        return None

    @torch.no_grad()
    def loss(self, model: nn.Module, guide: nn.Module, *batch: Tensor) -> float:
        """Returns the loss as a number, as Pyro's SVI asks for it in `evaluate_loss`."""
        return float(self.differentiable_loss(model, guide, *batch))

    def loss_and_grads(self, model: nn.Module, guide: nn.Module, *batch: Tensor) -> float:
        """Returns the loss as a number, and adds its gradients to those of the parameters."""
        loss = self.differentiable_loss(model, guide, *batch)
        loss.backward()
        return float(loss.detach())
