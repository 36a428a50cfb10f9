"""The variational Rényi bound."""

import math

from jaxtyping import Float
from torch import Tensor

from inference.objectives.iwae import at_least_one
from inference.objectives.particles import Program, draw


class Renyi:
    """Σ_n E[log (1/K) Σ_k w_nk^(1−α)] / (1 − α) (Li & Turner 2016, eq. 10): α = 0 is IWAE, α → 1 the ELBO.

    A lower bound on log p(x) for α ≥ 0; for α < 0 and K → ∞ it is above. Pyro's RenyiELBO has the same value where no
    site is scaled and every site is in the plate.
    """

    def __init__(self, num_particles: int = 5, alpha: float = 0.5) -> None:
        self.num_particles, self.alpha = at_least_one(num_particles), float(alpha)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the bound, summed over the batch; at α = 1 the ELBO, its limit."""
        particles = draw(model, guide, batch, self.num_particles)
        if self.alpha == 1:
            return -(particles.scale * particles.log_weights.mean(0)).sum()
        power = 1 - self.alpha
        log_mean = (power * particles.log_weights).logsumexp(0) - math.log(self.num_particles)
        return -(particles.scale * log_mean).sum() / power
