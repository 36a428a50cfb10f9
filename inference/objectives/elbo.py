"""The ELBO as Pyro estimates it."""

import torch
from jaxtyping import Float
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective, at_least_one
from models.clustered import Clustered


class ELBO(Objective, Trace_ELBO):  # type: ignore[misc]  # __call__
    """E_q[log p(x,z) − log q(z|x)], by `num_particles` draws of z (Kingma & Welling 2014, eq. 2).

    The `joint` of a clustered model has the cluster as a site of its own, which Pyro's
    TraceEnum_ELBO sums out.
    """

    def __init__(self, num_particles: int = 1) -> None:
        Trace_ELBO.__init__(self, num_particles=at_least_one(num_particles))
        self.enumerating = TraceEnum_ELBO(num_particles=num_particles, max_plate_nesting=1)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch."""
        if not isinstance(model, Clustered):
            return Trace_ELBO.differentiable_loss(self, model, guide, *batch)
        if torch.is_grad_enabled():
            return self.enumerating.differentiable_loss(model.joint, guide, *batch)
        # Without gradients Pyro refuses the differentiable loss.
        return torch.tensor(self.enumerating.loss(model.joint, guide, *batch))
