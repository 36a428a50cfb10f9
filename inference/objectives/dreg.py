"""The importance-weighted bound with the doubly reparametrised gradient."""

import math
from functools import partial

from jaxtyping import Float
from torch import Tensor

from inference.objectives.iwae import at_least_one
from inference.objectives.particles import Program, draw


class DReG:
    """IWAE's bound; the guide's gradient is Σ_k w̃_k² ∂log w_k/∂z_k ∂z_k/∂φ, w̃ = w/Σw (Tucker et al. 2019, eq. 8).

    Unbiased like IWAE's own, but its signal-to-noise ratio grows with K instead of falling (Rainforth et al. 2018). The
    model's gradient is IWAE's, Σ_k w̃_k ∂log w_k/∂θ.
    """

    def __init__(self, num_particles: int = 5) -> None:
        self.num_particles = at_least_one(num_particles)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus IWAE's bound, summed over the batch, with the doubly reparameterised gradient."""
        particles = draw(model, guide, batch, self.num_particles, frozen_guide=True)
        log_weights = particles.log_weights
        bound = (
            particles.scale * (log_weights.detach().logsumexp(0) - math.log(self.num_particles))
        ).sum()
        normalised = log_weights.detach().softmax(0)
        for z in particles.latents.values():
            if (
                z.requires_grad
            ):  # w̃ log w gives z the gradient w̃ ∂log w/∂z; the second w̃ is given here
                z.register_hook(partial(_weighted, weights=normalised.flatten()))
        surrogate = (particles.scale * normalised * log_weights).sum()
        return -(bound + surrogate - surrogate.detach())


def _weighted(gradient: Tensor, weights: Tensor) -> Tensor:
    return gradient * weights.reshape(-1, *[1] * (gradient.dim() - 1))
