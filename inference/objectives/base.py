"""What every objective declares."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from evidence.batch import Batch
from evidence.weights import Program


class Objective(ABC):
    """What SVI minimizes: minus a bound, summed over the data of a batch, in nats.

    It serves as the loss of Pyro's own SVI: `SVI(model, guide, optimizer, loss=objective)`.

    Arguments:
        num_particles: How many draws of z there are for each datum.

    Raises:
        ValueError: There is no particle.
    """

    # The attributes that `at_epoch` changes; tensors among the attributes may change at any time.
    varying: ClassVar[tuple[str, ...]] = ()
    # Whether the objective would be wrong for a model with a second latent site.
    one_latent_only: ClassVar[bool] = False
    # Why the loss of a batch is no sum over its data, if it is not.
    couples_data: ClassVar[str | None] = None

    def __init__(self, num_particles: int = 1) -> None:
        self.num_particles = at_least_one(num_particles)

    @abstractmethod
    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch; its gradient is what SVI follows.

        Arguments:
            model: p(x, z), a Pyro program of the columns of a batch.
            guide: q(z|x), a Pyro program of the same columns.
            batch: x (N, *shape), and whatever else the programs take.

        Raises:
            ValueError: The pair is none that this bound holds for.
        """

    def at_epoch(self, epoch: int, epochs: int) -> None:  # noqa: B027 - most objectives do nothing
        """Sets what changes from epoch to epoch, before `epoch` of `epochs`, counted from 0."""

    def describe(self, model: Program, guide: Program, batch: Batch) -> str | None:
        """Returns what a user should know about the objective of this pair, in one line."""
        return None

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


def at_least_one(num_particles: int) -> int:
    """Returns `num_particles`; raises ValueError if there is none."""
    if num_particles < 1:
        raise ValueError(f"num_particles={num_particles}: must be at least 1")
    return num_particles
