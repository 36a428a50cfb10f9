"""The ELBO with a weighted KL."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized

# The part of a cycle in which β rises (Fu et al. 2019).
RISING = 0.5


class BetaELBO(Objective):
    """E_q[log p(x|z)] − β KL(q(z|x)‖p(z)) (Higgins et al. 2017); it bounds log p(x) only if β ≥ 1.

    β is `weight`; or it rises to that linearly over `warmup_epochs` (Bowman et al. 2016, Sønderby
    et al. 2016); or it does so in the first half of each of `cycles` equal parts of training (Fu et
    al. 2019). It changes from epoch to epoch only.
    """

    varying: ClassVar[tuple[str, ...]] = ("beta",)

    def __init__(
        self,
        weight: float = 1.0,
        warmup_epochs: int = 0,
        cycles: int | None = None,
        num_particles: int = 1,
    ) -> None:
        if weight < 0:
            raise ValueError(f"weight={weight}: must be at least 0")
        if warmup_epochs < 0:
            raise ValueError(f"warmup_epochs={warmup_epochs}: must be at least 0")
        if cycles is not None and (cycles < 1 or warmup_epochs):
            raise ValueError(f"cycles={cycles}: must be at least 1, and goes without warmup_epochs")
        super().__init__(num_particles)
        self.weight, self.warmup_epochs, self.cycles = float(weight), warmup_epochs, cycles
        self.beta = self.weight

    def at_epoch(self, epoch: int, epochs: int) -> None:
        """Sets β for `epoch` of `epochs`, counted from 0."""
        if self.cycles is not None:
            progress = (epoch * self.cycles / epochs) % 1 / RISING
        else:
            progress = (epoch + 1) / (self.warmup_epochs + 1)
        self.beta = self.weight * min(1.0, progress)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, with the KL weighted by the present β, summed over the batch."""
        draws = reparametrized(model, guide, batch, self.num_particles)
        bound = draws.log_likelihood - self.beta * sum(draws.kl.values())
        return -(draws.scale * bound.mean(0)).sum()
