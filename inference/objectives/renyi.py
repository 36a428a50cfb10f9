"""The variational Rényi bound."""

import math

from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized


class Renyi(Objective):
    """Σ_n E[log (1/K) Σ_k w_nk^(1−α)] / (1 − α) (Li & Turner 2016, eq. 10).

    α = 0 is IWAE, α → 1 the ELBO. The bound is below log p(x) if α ≥ 0; if α < 0 and K → ∞ it is
    above. Pyro's RenyiELBO has the same value where no site is scaled and all are in the plate.
    """

    def __init__(self, num_particles: int = 5, alpha: float = 0.5) -> None:
        super().__init__(num_particles)
        self.alpha = float(alpha)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch; if α = 1 the ELBO, its limit."""
        draws = reparametrized(model, guide, batch, self.num_particles)
        if self.alpha == 1:
            return -(draws.scale * draws.log_weights.mean(0)).sum()
        power = 1 - self.alpha
        log_mean = (power * draws.log_weights).logsumexp(0) - math.log(self.num_particles)
        return -(draws.scale * log_mean).sum() / power
