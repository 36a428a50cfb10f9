"""The ELBO with a rate that costs nothing up to a threshold."""

import torch
from jaxtyping import Float
from torch import Tensor

from errors import RequestError
from inference.objectives.iwae import at_least_one
from inference.objectives.particles import Program, draw


class FreeBits:
    """E_q[log p(x|z)] − Σ_sites max(λ, KL), the KL of each latent site averaged over the batch (Kingma et al. 2016, eq. 15).

    λ = `nats` per datum and latent site; below it the rate has no gradient, so that a latent is not given up early.
    """

    couples_data = "objective=free_bits averages the KL over the whole batch"

    def __init__(self, nats: float = 2.0, num_particles: int = 1) -> None:
        if nats < 0:
            raise RequestError(f"objective.nats={nats}: must be at least 0")
        self.num_particles, self.nats = at_least_one(num_particles), float(nats)

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Minus the bound with each site's rate at least `nats`, summed over the batch."""
        particles = draw(model, guide, batch, self.num_particles)
        weights = particles.scale * torch.ones_like(particles.log_likelihood[0])
        rates = [(weights * kl.mean(0)).sum() / weights.sum() for kl in particles.kl.values()]
        reconstruction = (weights * particles.log_likelihood.mean(0)).sum()
        return weights.sum() * torch.stack(rates).clamp(min=self.nats).sum() - reconstruction
