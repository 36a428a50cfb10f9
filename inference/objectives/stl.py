"""The ELBO with the path-derivative gradient."""

from jaxtyping import Float
from torch import Tensor

from inference.objectives.iwae import at_least_one
from inference.objectives.particles import Program, draw


class STL:
    """Sticking the landing (Roeder et al. 2017, eq. 6): log q(z|x) without its score term, whose expectation is zero.

    The value is the ELBO's. The gradient is unbiased, and has no variance at all where q is the posterior.
    """

    def __init__(self, num_particles: int = 1) -> None:
        self.num_particles = at_least_one(num_particles)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the ELBO, summed over the batch, with q's parameters held where log q is evaluated."""
        particles = draw(model, guide, batch, self.num_particles, frozen_guide=True)
        return -(particles.scale * particles.log_weights.mean(0)).sum()
