"""The importance-weighted bound."""

import math

from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized


class IWAE(Objective):
    """Σ_n E[log (1/K) Σ_k w_nk], w = p(x, z)/q(z|x) (Burda et al. 2016, eq. 8).

    It is tighter than the ELBO for K > 1.
    """

    def __init__(self, num_particles: int = 5) -> None:
        super().__init__(num_particles)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch."""
        draws = reparametrized(model, guide, batch, self.num_particles)
        log_mean = draws.log_weights.logsumexp(0) - math.log(self.num_particles)
        return -(draws.scale * log_mean).sum()
