"""The importance-weighted bound with the doubly reparametrized gradient."""

import math
from functools import partial

from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized


class DReG(Objective):
    """IWAE's bound, whose gradient for the guide is Σ_k w̃_k² ∂log w_k/∂z_k ∂z_k/∂φ, w̃ = w/Σw.

    This is eq. 8 of Tucker et al. 2019. It is unbiased like IWAE's own gradient, but its
    signal-to-noise ratio grows with K instead of falling (Rainforth et al. 2018). The model's
    gradient is IWAE's, Σ_k w̃_k ∂log w_k/∂θ.
    """

    def __init__(self, num_particles: int = 5) -> None:
        super().__init__(num_particles)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus IWAE's bound, summed over the batch."""
        draws = reparametrized(model, guide, batch, self.num_particles, frozen_guide=True)
        log_weights = draws.log_weights
        bound = (
            draws.scale * (log_weights.detach().logsumexp(0) - math.log(self.num_particles))
        ).sum()
        normalized = log_weights.detach().softmax(0)
        for z in draws.latents.values():
            # w̃ log w gives z the gradient w̃ ∂log w/∂z; the hook multiplies it by the second w̃.
            if z.requires_grad:
                z.register_hook(partial(_weighted, weights=normalized.flatten()))
        surrogate = (draws.scale * normalized * log_weights).sum()
        return -(bound + surrogate - surrogate.detach())


def _weighted(
    gradient: Float[Tensor, " rows *event"], weights: Float[Tensor, " rows"]
) -> Float[Tensor, " rows *event"]:
    return gradient * weights.to(gradient).reshape(-1, *[1] * (gradient.dim() - 1))
