"""Upper bounds on log p(x), from exact draws of the posterior: of a tractable joint, or of data simulated from the model.

For x and z* drawn together from p(x, z), z* *is* one exact draw of p(z|x). For real data there is no such draw, and no
upper bound here: χ² bounds (CUBO) estimated by their plug-in read below their own truth.
"""

import math
from typing import Any

import torch
from pyro import poutine
from torch import Tensor

from evidence.estimate import Estimate
from evidence.joint import Joint
from evidence.weights import Batch, Program, as_batch, split_batch, stream

Latents = dict[str, Tensor]
"""Values by site name, (batch, *event)."""


@torch.no_grad()
def simulate(model: Program, guide: Program, like: Batch) -> tuple[Batch, Latents]:
    """(x, z*) ~ p(x, z), as many data as `like` has rows, which gives shapes and whatever else the model is called with."""
    batch = as_batch(like)
    joint = Joint(model, guide, batch)
    nodes: dict[str, Any] = poutine.trace(poutine.uncondition(model)).get_trace(*batch).nodes
    x = nodes[joint.observed]["value"]
    latents = {site.name: nodes[site.name]["value"] for site in joint.sites}
    return (x, *batch[1:]) if isinstance(like, tuple) else x, latents


def eubo(model: Program, guide: Program, x: Batch, exact_draw: Latents) -> Estimate:
    """E_{p(z|x)}[log w] = log p(x) + KL(p(z|x)‖q), from one exact posterior draw for every datum."""
    return iw_eubo(model, guide, x, exact_draw, 1)


@torch.no_grad()
def iw_eubo(
    model: Program, guide: Program, x: Batch, exact_draw: Latents, num_particles: int
) -> Estimate:
    """E[log (1/K) Σ_k w_k] with z_1 from p(z|x) and the other K − 1 from q: tightens as K = `num_particles` grows.

    Only one of the K is an exact draw (Sobolev & Vetrov 2019, eq. 6): with more it would no longer be a bound.
    """
    batch = as_batch(x)
    columns, start = [], 0
    for part in split_batch(batch, num_particles, model):
        rows = slice(start, start := start + len(part[0]))
        joint = Joint(model, guide, part)
        u = joint.unconstrain({name: value[rows] for name, value in exact_draw.items()})
        log_prior, log_likelihood = joint.model_terms(u)
        total = log_prior + log_likelihood - joint.log_guide(u)
        if num_particles > 1:
            for particles in stream(model, guide, part, num_particles - 1):
                total = torch.logaddexp(total, particles.log_weights.logsumexp(0))
        columns.append(total - math.log(num_particles))
    return Estimate(torch.cat(columns), "upper", num_particles)
