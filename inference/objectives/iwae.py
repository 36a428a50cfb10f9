"""The importance-weighted bound."""

import math

from jaxtyping import Float
from torch import Tensor

from errors import RequestError
from inference.objectives.particles import Program, draw


class IWAE:
    """Σ_n E[log (1/K) Σ_k w_nk], w = p(x, z)/q(z|x): tighter than the ELBO for K > 1 (Burda et al. 2016, eq. 8)."""

    def __init__(self, num_particles: int = 5) -> None:
        self.num_particles = at_least_one(num_particles)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the bound, summed over the batch."""
        particles = draw(model, guide, batch, self.num_particles)
        return -(
            particles.scale * (particles.log_weights.logsumexp(0) - math.log(self.num_particles))
        ).sum()


def at_least_one(num_particles: int) -> int:
    """`num_particles`, or a refusal."""
    if num_particles < 1:
        raise RequestError(f"objective.num_particles={num_particles}: must be at least 1")
    return num_particles
