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
        self.enumerating = TraceEnum_ELBO(
            num_particles=num_particles, max_plate_nesting=1, strict_enumeration_warning=False
        )

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, summed over the batch."""
        if not isinstance(model, Enumerated):
            return Trace_ELBO.differentiable_loss(self, model, guide, *batch)
        loss = self.enumerating.differentiable_loss
        if not torch.is_grad_enabled():  # Pyro refuses the differentiable loss without gradients
            loss = self.enumerating.loss
        terms = [loss(m, q, *columns) for m, q, columns in model.terms(guide, *batch)]
        return torch.stack([torch.as_tensor(term) for term in terms]).sum()
