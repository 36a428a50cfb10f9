"""The ELBO with the path-derivative gradient."""

from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized


class STL(Objective):
    """Sticking the landing: log q(z|x) without its score term, whose expectation is zero.

    This is eq. 6 of Roeder et al. 2017. The value is the ELBO's. The gradient is unbiased, and has
    no variance at all where q is the posterior.
    """

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the ELBO, summed over the batch; in log q, q's parameters are constants."""
        draws = reparametrized(model, guide, batch, self.num_particles, frozen_guide=True)
        return -(draws.scale * draws.log_weights.mean(0)).sum()
