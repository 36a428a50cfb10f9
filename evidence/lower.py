"""Lower bounds on log p(x): the ELBO and its importance-weighted tightening."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from evidence.alone import looked_at
from evidence.batch import Data
from evidence.estimate import Estimate
from evidence.hmc import Start
from evidence.importance import log_weight_chunks, weighed
from evidence.progress import steps
from evidence.structure import Program
from evidence.weights import split_batch, stream


@dataclass(frozen=True)
class Terms:
    """The two terms of the ELBO per datum, in nats, from the same draws.

    `reconstruction` is E_q[log p(x|z)], `kl` is the rate KL(q(z|x)‖p(z)).
    """

    reconstruction: Float64[Tensor, " batch"]
    kl: Float64[Tensor, " batch"]
    particles: int

    @property
    def elbo(self) -> Estimate:
        """The lower bound reconstruction − kl."""
        return Estimate(self.reconstruction - self.kl, "lower", self.particles)


@torch.no_grad()
def elbo(model: Program, guide: Program, x: Data, num_particles: int = 100) -> Estimate:
    """Returns the ELBO E_q[log w] = log p(x) − KL(q(z|x)‖p(z|x)) (Kingma & Welling 2014, eq. 3).

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        num_particles: how many draws the expectation is averaged over; any number gives the
            same bound, more give less noise.

    Returns:
        A lower bound on log p(x) for every datum.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = elbo(model, guide, x, 10_000)
    >>> found.kind, round(float(found.per_datum[1]), 1)   # log p(x) is -1.27 here, the gap is 0.15
    ('lower', -1.4)
    """
    return elbo_terms(model, guide, x, num_particles).elbo


@torch.no_grad()
def elbo_terms(model: Program, guide: Program, x: Data, num_particles: int = 100) -> Terms:
    """Returns E_q[log p(x|z)] and KL(q(z|x)‖p(z)), whose difference is the ELBO.

    Neither is a bound on log p(x) by itself. Both are averages over the same draws, so the KL, too,
    is estimated: it can come out below zero for a datum.

    Arguments and Raises: as of `elbo`.

    Returns:
        Both terms for every datum, and their difference as `elbo`.

    >>> from evidence.example import guide, model, x
    >>> terms = elbo_terms(model, guide, x, 1000)
    >>> bool((terms.elbo.per_datum == terms.reconstruction - terms.kl).all())
    True
    """
    return terms_of(model, guide, looked_at(model, guide, x), num_particles)


def terms_of(model: Program, guide: Program, x: Data, num_particles: int) -> Terms:
    """Returns `elbo_terms` of a pair that has been looked at, on data like these."""
    reconstruction, rate = [], []
    for batch in steps(split_batch(x, num_particles, model)):
        draws = [
            (p.log_likelihood.sum(0), (p.log_guide - p.log_prior).sum(0))
            for p in stream(model, guide, batch, num_particles)
        ]
        reconstruction.append(torch.stack([r for r, _ in draws]).sum(0) / num_particles)
        rate.append(torch.stack([k for _, k in draws]).sum(0) / num_particles)
    return Terms(torch.cat(reconstruction), torch.cat(rate), num_particles)


@torch.no_grad()
def iwae(
    model: Program,
    guide: Program,
    x: Data,
    num_particles: int = 5000,
    proposal: Start = "guide",
) -> Estimate:
    """Returns E[log (1/K) Σ_k w_k], K = `num_particles` (Burda et al. 2016, eq. 8).

    It rises to log p(x) as K grows. Draws stream through the model: memory does not grow with K.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        num_particles: K.
        proposal: what z_k are drawn from: the guide, the prior, or a mixture, half of each (see
            `Importance`).

    Returns:
        A lower bound on log p(x) for every datum.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).
        ValueError: if `num_particles` is below 1, or there is no such proposal.

    >>> from evidence.example import guide, model, x
    >>> bool((iwae(model, guide, x, 1000).per_datum > elbo(model, guide, x).per_datum).all())
    True
    """
    columns, details = [], weighed(proposal)
    for batch in steps(
        split_batch(looked_at(model, guide, x, proposal == "guide"), num_particles, model)
    ):
        total = batch.x.new_full((batch.size,), -math.inf, dtype=torch.float64)
        for log_w in log_weight_chunks(model, guide, batch, num_particles, proposal):
            total = torch.logaddexp(total, log_w.logsumexp(0))
        columns.append(total - math.log(num_particles))
    return Estimate(torch.cat(columns), "lower", num_particles, details)
