"""The ELBO as Pyro estimates it."""

import torch
from jaxtyping import Float
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective, at_least_one
from models.enumerated import Enumerated


class ELBO(Objective, Trace_ELBO):  # type: ignore[misc]  # __call__
    """E_q[log p(x,z) − log q(z|x)], by `num_particles` draws of z (Kingma & Welling 2014, eq. 2).

    Discrete latents of an `Enumerated` model are sites of their own in training, which Pyro's
    TraceEnum_ELBO sums out.
    """

    def __init__(self, num_particles: int = 1) -> None:
        Trace_ELBO.__init__(self, num_particles=at_least_one(num_particles))
        self.enumerating = TraceEnum_ELBO(num_particles=num_particles, max_plate_nesting=1)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch."""
        if not isinstance(model, Enumerated):
            return Trace_ELBO.differentiable_loss(self, model, guide, *batch)
        losses = []
        for p, q, columns, summed in model.terms(guide, *batch):
            if not summed:
                losses.append(Trace_ELBO.differentiable_loss(self, p, q, *columns))
            elif torch.is_grad_enabled():
                losses.append(self.enumerating.differentiable_loss(p, q, *columns))
            else:  # without gradients Pyro refuses the differentiable loss
                losses.append(torch.tensor(self.enumerating.loss(p, q, *columns)))
        return torch.stack(losses).sum()
