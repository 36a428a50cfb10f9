"""Whether sticking the landing inside the importance-weighted bound keeps its expectation."""

import math

from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized
from published.place import Place
from published.probes.share import PARTICLES, share
from published.verdict import Measured


class STLInside(Objective):
    """IWAE's bound with the guide's parameters held constant in log q."""

    def differentiable_loss(self, model: Program, guide: Program, *batch: Tensor) -> Tensor:
        """Returns minus the bound, summed over the batch."""
        draws = reparametrized(model, guide, batch, self.num_particles, frozen_guide=True)
        log_mean = draws.log_weights.logsumexp(0) - math.log(self.num_particles)
        return -(draws.scale * log_mean).sum()


def measure(place: Place) -> Measured:
    """Returns the expectation of that gradient along that of IWAE, as a share of it."""
    return share(STLInside(PARTICLES), place)
