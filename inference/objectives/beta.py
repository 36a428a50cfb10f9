"""The ELBO with a weighted KL."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from errors import RequestError
from inference.objectives.iwae import at_least_one
from inference.objectives.particles import Program, draw

RISING = 0.5
"""The part of a cycle in which β rises (Fu et al. 2019)."""


class BetaELBO:
    """E_q[log p(x|z)] − β KL(q(z|x)‖p(z)) (Higgins et al. 2017). A bound on log p(x) only for β ≥ 1.

    β is `weight`; or rises to it linearly over `warmup_epochs` (Bowman et al. 2016, Sønderby et al. 2016); or does so in
    the first half of each of `cycles` equal parts of training (Fu et al. 2019). It changes from epoch to epoch only.
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
            raise RequestError(f"objective.weight={weight}: must be at least 0")
        if warmup_epochs < 0:
            raise RequestError(f"objective.warmup_epochs={warmup_epochs}: must be at least 0")
        if cycles is not None and (cycles < 1 or warmup_epochs):
            raise RequestError(
                f"objective.cycles={cycles}: must be at least 1, and goes without warmup_epochs"
            )
        self.num_particles = at_least_one(num_particles)
        self.weight, self.warmup_epochs, self.cycles = float(weight), warmup_epochs, cycles
        self.beta = self.weight

    def at_epoch(self, epoch: int, epochs: int) -> None:
        """Set β for `epoch` of `epochs`, counted from 0."""
        if self.cycles is not None:
            progress = (epoch * self.cycles / epochs) % 1 / RISING
        else:
            progress = (epoch + 1) / (self.warmup_epochs + 1)
        self.beta = self.weight * min(1.0, progress)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the bound with the KL times today's β, summed over the batch."""
        particles = draw(model, guide, batch, self.num_particles)
        bound = particles.log_likelihood - self.beta * sum(particles.kl.values())
        return -(particles.scale * bound.mean(0)).sum()
