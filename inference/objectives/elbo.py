"""The ELBO as Pyro estimates it."""

from typing import Any

import torch
from pyro.infer import Trace_ELBO, TraceEnum_ELBO
from torch import Tensor

from inference.objectives.iwae import at_least_one


class ELBO(Trace_ELBO):
    """E_q[log p(x,z) − log q(z|x)], by `num_particles` draws of z (Kingma & Welling 2014, eq. 2).

    A model with a discrete latent offers `joint`, the program in which it is a site of its own: there Pyro's
    TraceEnum_ELBO takes over and sums it out.
    """

    def __init__(self, num_particles: int = 1) -> None:
        super().__init__(num_particles=at_least_one(num_particles))
        self.enumerating = TraceEnum_ELBO(num_particles=num_particles, max_plate_nesting=1)

    def differentiable_loss(self, model: Any, guide: Any, *batch: Any) -> Tensor:
        """Minus the bound, summed over the batch."""
        if (joint := getattr(model, "joint", None)) is not None:
            if torch.is_grad_enabled():
                return self.enumerating.differentiable_loss(joint, guide, *batch)
            return torch.tensor(
                self.enumerating.loss(joint, guide, *batch)
            )  # Pyro refuses the other without gradients
        return super().differentiable_loss(model, guide, *batch)
