"""The ELBO with a rate that costs nothing up to a threshold."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from evidence.weights import Program
from inference.objectives.base import Objective
from inference.objectives.draws import reparametrized


class FreeBits(Objective):
    """E_q[log p(x|z)] − Σ_sites max(λ, KL), the KL of each latent site averaged over the batch.

    This is eq. 15 of Kingma et al. 2016, with λ = `nats` per datum and latent site. Below λ the
    rate has no gradient, so that a latent is not given up early.
    """

    couples_data: ClassVar[str | None] = "it averages the KL over the whole batch"

    def __init__(self, nats: float = 2.0, num_particles: int = 1) -> None:
        if nats < 0:
            raise ValueError(f"nats={nats}: must be at least 0")
        super().__init__(num_particles)
        self.nats = float(nats)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound with each site's rate at least `nats`, summed over the batch."""
        draws = reparametrized(model, guide, batch, self.num_particles)
        weights = draws.scale * torch.ones_like(draws.log_likelihood[0])
        rates = [(weights * kl.mean(0)).sum() / weights.sum() for kl in draws.kl.values()]
        reconstruction = (weights * draws.log_likelihood.mean(0)).sum()
        return weights.sum() * torch.stack(rates).clamp(min=self.nats).sum() - reconstruction
