"""Importance sampling and Hamiltonian transitions as one writes them by hand in torch.

They run on the networks of this project.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal


def log_joint(decoder: nn.Module, x: Tensor, z: Tensor, beta: float = 1.0) -> Tensor:
    """Returns log p(z) + β log p(x|z) at z (chains, N, latent)."""
    prior = Independent(Normal(torch.zeros_like(z), torch.ones_like(z)), 1)
    logits = decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    likelihood = Independent(Bernoulli(logits=logits), 1)
    return prior.log_prob(z) + beta * likelihood.log_prob(x.expand(*z.shape[:-1], -1))


@torch.no_grad()
def iwae(
    posterior: Callable[[Tensor], Independent],
    decoder: nn.Module,
    x: Tensor,
    particles: int,
    at_once: int,
) -> Tensor:
    """Returns log (1/K) Σ w, with `at_once` particles of every datum at a time."""
    q, chunks = posterior(x), []
    for _ in range(particles // at_once):
        z = q.rsample((at_once,))
        chunks.append(torch.logsumexp((log_joint(decoder, x, z) - q.log_prob(z)).double(), 0))
    return torch.logsumexp(torch.stack(chunks), 0) - math.log(particles)


def transition(
    decoder: nn.Module, x: Tensor, z: Tensor, beta: float, step: Tensor, leapfrogs: int
) -> Tensor:
    """Makes a transition of Hamiltonian Monte Carlo, as public code for annealing has it.

    It takes a gradient before and after each leapfrog, then the energy of both ends.
    """

    def potential(z: Tensor) -> Tensor:
        return -log_joint(decoder, x, z, beta)

    def gradient(z: Tensor) -> Tensor:
        z = z.detach().requires_grad_()
        return torch.autograd.grad(potential(z).sum(), z)[0]

    momentum = start = torch.randn_like(z)
    new, size = z, step.unsqueeze(-1)
    momentum = momentum - 0.5 * size * gradient(new)
    for k in range(leapfrogs):
        new = new + size * momentum
        momentum = momentum - (1.0 if k < leapfrogs - 1 else 0.5) * size * gradient(new)
    with torch.no_grad():
        before = potential(z) + 0.5 * start.square().sum(-1)
        change = before - potential(new) - 0.5 * momentum.square().sum(-1)
        accepted = torch.rand_like(change).log() < change
        return torch.where(accepted.unsqueeze(-1), new, z)
