"""Lower bounds on log p(x): the ELBO and its importance-weighted tightening."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from evidence.estimate import Estimate
from evidence.weights import Batch, Program, split_batch, stream


@dataclass(frozen=True)
class Terms:
    """Per datum, in nats: `reconstruction` E_q[log p(x|z)] and `kl`, the rate KL(q(z|x)‖p(z)), from the same draws."""

    reconstruction: Float64[Tensor, " batch"]
    kl: Float64[Tensor, " batch"]
    particles: int

    @property
    def elbo(self) -> Estimate:
        """reconstruction − kl: a lower bound on log p(x)."""
        return Estimate(self.reconstruction - self.kl, "lower", self.particles)


@torch.no_grad()
def elbo(model: Program, guide: Program, x: Batch, num_particles: int = 100) -> Estimate:
    """E_q[log w], averaged over `num_particles` draws for every datum of `x` (batch, *shape)."""
    return elbo_terms(model, guide, x, num_particles).elbo


@torch.no_grad()
def elbo_terms(model: Program, guide: Program, x: Batch, num_particles: int = 100) -> Terms:
    """The two terms of the ELBO, from `num_particles` draws for every datum. Neither is a bound on its own."""
    reconstruction, rate = [], []
    for batch in split_batch(x, num_particles, model):
        draws = [
            (p.log_likelihood.sum(0), (p.log_guide - p.log_prior).sum(0))
            for p in stream(model, guide, batch, num_particles)
        ]
        reconstruction.append(torch.stack([r for r, _ in draws]).sum(0) / num_particles)
        rate.append(torch.stack([k for _, k in draws]).sum(0) / num_particles)
    return Terms(torch.cat(reconstruction), torch.cat(rate), num_particles)


@torch.no_grad()
def iwae(model: Program, guide: Program, x: Batch, num_particles: int = 5000) -> Estimate:
    """E[log (1/K) Σ_k w_k] with K = `num_particles` (Burda et al. 2016, eq. 8), streamed: memory does not grow with K."""
    columns = []
    for batch in split_batch(x, num_particles, model):
        total = torch.full((len(batch[0]),), -math.inf, dtype=torch.float64, device=batch[0].device)
        for particles in stream(model, guide, batch, num_particles):
            total = torch.logaddexp(total, particles.log_weights.logsumexp(0))
        columns.append(total - math.log(num_particles))
    return Estimate(torch.cat(columns), "lower", num_particles)
