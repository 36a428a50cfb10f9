"""What every objective declares."""

from typing import ClassVar

from evidence.batch import Batch
from evidence.training.loss import Loss
from evidence.weights import Program


class Objective(Loss):
    """Minus a bound, summed over the data of a batch, in nats.

    What `at_epoch` changes is `varying`.

    Arguments:
        num_particles: How many draws of z there are for each datum.

    Raises:
        ValueError: There is no particle.
    """

    # Whether the objective would be wrong for a model with a second latent site.
    one_latent_only: ClassVar[bool] = False
    # Why the loss of a batch is no sum over its data, if it is not.
    couples_data: ClassVar[str | None] = None

    def __init__(self, num_particles: int = 1) -> None:
        self.num_particles = at_least_one(num_particles)

    def at_epoch(self, epoch: int, epochs: int) -> None:
        """Sets what changes from epoch to epoch, before `epoch` of `epochs`, counted from 0."""

    def describe(self, model: Program, guide: Program, batch: Batch) -> str | None:
        """Returns what a user should know about the objective of this pair, in one line."""
        return None


def at_least_one(num_particles: int) -> int:
    """Returns `num_particles`; raises ValueError if there is none."""
    if num_particles < 1:
        raise ValueError(f"num_particles={num_particles}: must be at least 1")
    return num_particles
