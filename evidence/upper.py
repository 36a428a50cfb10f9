"""Upper bounds on log p(x), from exact draws of the posterior p(z|x).

A tractable joint gives such draws (`evidence.posterior_draw`), and so does simulation: for x and z*
drawn together from p(x, z), z* *is* an exact draw of p(z|x). For other data coupled chains stand in
for it (`evidence.posterior_draws`). Estimates of χ² bounds (CUBO) fall below the bound that they
estimate.
"""

import math
from collections.abc import Sequence
from typing import overload

import torch
from pyro import poutine
from torch import Tensor

from evidence.alone import looked_at
from evidence.batch import Batch, Column, Data
from evidence.chunks import split_with_latents
from evidence.estimate import Estimate
from evidence.hmc import Path, Start
from evidence.importance import log_weight_chunks, weighed
from evidence.joint import Joint
from evidence.observed import with_observed
from evidence.progress import steps
from evidence.recording.calls import recorded
from evidence.structure import Latents, Program, only, site_of, traced


@overload
def simulate(model: Program, guide: Program, like: Column) -> tuple[Tensor, Latents]: ...


@overload
def simulate(model: Program, guide: Program, like: Sequence[Column]) -> tuple[Batch, Latents]: ...


@torch.no_grad()
def simulate(model: Program, guide: Program, like: Data) -> tuple[Data, Latents]:
    """Returns (x, z*) ~ p(x, z): data of the model, each with an exact draw of its p(z|x).

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), which says what the latents are called.
        like: data (N, *shape) of the shape that is wanted, or (x, y, …): what the programs take
            beside x stays as it is given.

    Returns:
        As many data as `like` has, a tensor or a batch as `like` is, and z* by site name, each
        (N, *event).

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`), or if what the
            model observes is none of its arguments.

    >>> from evidence.example import guide, model
    >>> x, z = simulate(model, guide, torch.zeros(500, 1))
    >>> x.shape, z["z"].shape
    (torch.Size([500, 1]), torch.Size([500, 1]))
    """
    batch = looked_at(model, guide, like)
    joint = Joint(model, guide, batch)
    trace = traced(poutine.uncondition(model), batch)
    x = only(joint.observed, trace)["value"]
    latents = {latent.name: site_of(trace, latent.name)["value"] for latent in joint.sites}
    simulated = with_observed(joint, latents, x)
    return simulated if isinstance(like, (tuple, list)) else simulated.x, latents


def eubo(model: Program, guide: Program, x: Data, exact_draw: Latents) -> Estimate:
    """Returns the EUBO E_{p(z|x)}[log w] = log p(x) + KL(p(z|x)‖q(z|x)).

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        exact_draw: one exact draw of p(z|x) for every datum, by site name: from `simulate`, whose
            data `x` must then be, or from `posterior_draw`.

    Returns:
        An upper bound on log p(x) for every datum.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence import elbo
    >>> from evidence.example import guide, model
    >>> x, z = simulate(model, guide, torch.zeros(500, 1))
    >>> elbo(model, guide, x).mean < eubo(model, guide, x, z).mean
    True
    """
    return iw_eubo(model, guide, x, exact_draw, 1)


@torch.no_grad()
def iw_eubo(
    model: Program,
    guide: Program,
    x: Data,
    exact_draw: Latents,
    num_particles: int,
    proposal: Start = "guide",
) -> Estimate:
    """Returns E[log (1/K) Σ_k w_k] with z_1 ~ p(z|x) and K − 1 others from the `proposal`.

    It falls to log p(x) as K = `num_particles` grows, and is the EUBO for K = 1. Only one of the K
    may be an exact draw (Sobolev & Vetrov 2019, eq. 6): with more it would be no bound.

    Arguments:
        model, guide, x, exact_draw: as of `eubo`.
        num_particles: K.
        proposal: what the others are drawn from: the guide, the prior, or a mixture, half of each.
            What the guide leaves out of p(z|x) makes the first bound loose, and the last one
            less so.

    Returns:
        An upper bound on log p(x) for every datum.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).
        ValueError: if `num_particles` is below 1, or there is no such proposal.

    >>> from evidence.example import guide, model
    >>> x, z = simulate(model, guide, torch.zeros(500, 1))
    >>> iw_eubo(model, guide, x, z, 100).mean < eubo(model, guide, x, z).mean
    True
    """
    columns, details, x = [], weighed(proposal), looked_at(model, guide, x)
    for batch, drawn in steps(split_with_latents(x, exact_draw, num_particles, model)):
        path = Path(Joint(model, guide, batch), proposal)
        with recorded(enabled=False):  # one call repays no recording
            log_start, log_end = path.values(path.joint.unconstrain(drawn))
        total = log_end - log_start
        if num_particles > 1:
            for log_w in log_weight_chunks(model, guide, batch, num_particles - 1, proposal):
                total = torch.logaddexp(total, log_w.logsumexp(0))
        columns.append(total - math.log(num_particles))
    return Estimate(torch.cat(columns), "upper", num_particles, details)
