"""Per-datum importance weights of a Pyro pair: log w = log p(x, z) − log q(z|x), z ~ q(z|x).

Pyro's own `vectorized_importance_weights` sums over the data plate and gives one joint weight per
batch; here every datum has its own. The pair needs one data plate with continuous latents inside
it; discrete ones beside them are summed. Scales (`poutine.scale`, plate subsampling) weight a loss
and are no part of a density: they are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float64
from torch import Tensor

from evidence.accounting import check_data_plate, check_guide, check_pair, is_discrete
from evidence.alone import looked_at
from evidence.batch import Batch, Data, repeat_rows
from evidence.chunks import particles_per_chunk, rows_per_chunk, split_batch
from evidence.idle import check_idle
from evidence.precision import log_prob
from evidence.progress import steps
from evidence.recording.calls import run
from evidence.structure import (
    Latents,
    Program,
    at,
    latent_sites,
    log_prob_of,
    masked,
    site_log_prob,
    sum_log_probs,
    traced,
)
from evidence.summed import check_summable, discrete_sites, marginal_densities


@dataclass(frozen=True)
class Densities:
    """Log-densities of draws from q, each (particles, batch) float64 nats.

    They are summed over the dimensions and the latent sites of a datum.
    """

    log_likelihood: Float64[Tensor, " particles batch"]
    log_prior: Float64[Tensor, " particles batch"]
    log_guide: Float64[Tensor, " particles batch"]

    @property
    def log_weights(self) -> Float64[Tensor, " particles batch"]:
        """log w = log p(x|z) + log p(z) − log q(z|x)."""
        return self.log_likelihood + self.log_prior - self.log_guide


@dataclass(frozen=True)
class Particles(Densities):
    """The draws themselves too, by site name, (particles, batch, *event)."""

    latents: Latents


@torch.no_grad()
def log_weights(
    model: Program, guide: Program, x: Data, num_particles: int
) -> Float64[Tensor, " particles batch"]:
    """Returns log w_k = log p(x, z_k) − log q(z_k|x) of independent draws z_k ~ q(z|x).

    The weights are unbiased, E[w] = p(x) (Burda et al. 2016, section 3). They stream through the
    model in chunks; only the result is held.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        num_particles: how many draws to weigh for every datum.

    Returns:
        log w in nats, (num_particles, N) float64.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights: global latents, plates beside that of
            the data, or discrete latents of too many values to sum. The message names the site.
        ValueError: if `num_particles` is below 1, or there are no data.

    >>> from evidence.example import guide, model, x
    >>> log_weights(model, guide, x, 100).shape
    torch.Size([100, 3])
    """
    columns = [
        torch.cat([p.log_weights for p in stream(model, guide, part, num_particles)])
        for part in steps(
            split_batch(looked_at(model, guide, x, weighed=True), num_particles, model)
        )
    ]
    return torch.cat(columns, dim=1)


def stream(model: Program, guide: Program, batch: Batch, num_particles: int) -> Iterator[Densities]:
    """Yields `num_particles` draws for every datum of `batch`, a chunk of them at a time.

    Inside `recording.recorded()` chunks of one size run compiled.
    """
    chunk = particles_per_chunk(batch, model)
    for start in steps(range(0, num_particles, chunk)):
        count = min(chunk, num_particles - start)
        key, function = ("draw", model, guide), partial(densities, model, guide, count)
        yield Densities(*run(key, function, *batch, variant=count))


def densities(
    model: Program, guide: Program, num_particles: int, *batch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the fields of `Densities` for fresh draws."""
    particles = draw(model, guide, batch, num_particles)
    return particles.log_likelihood, particles.log_prior, particles.log_guide


@torch.no_grad()
def draw(model: Program, guide: Program, x: Data, num_particles: int) -> Particles:
    """Returns `num_particles` draws for every datum, by one run of the model on all of them.

    Raises UnsupportedPair for a pair without per-datum weights.
    """
    batch = Batch.of(x)
    shape, rows = (num_particles, batch.size), batch.repeat(num_particles)
    guide_trace = traced(guide, batch)
    check_guide(guide_trace, batch.size)
    check_idle(model, guide, batch, guide_trace)
    sites, summed = latent_sites(guide_trace), discrete_sites(guide_trace)
    check_summable(summed)
    if len(sites) == 1:
        # One latent site *is* its distribution q(z|x): encode once, then sample it many times.
        (site,) = sites
        q = site["fn"]
        # Flows without an inverse know log q of the very tensor that they have drawn.
        values = q.sample(shape[:1]) if num_particles > 1 else site["value"]
        log_guide = masked(log_prob(q, values), site).double()
        values = values.reshape(shape + site["value"].shape[1:])
        latents = {site["name"]: values.flatten(0, 1)}
    else:
        guide_trace = traced(guide, rows)
        latents = {
            site["name"]: site["value"]
            for site in latent_sites(guide_trace)
            if not is_discrete(site)
        }
    model_trace = at(model, latents, rows)
    check_pair(model_trace, guide_trace, num_particles * batch.size)
    check_data_plate(model, rows, model_trace)
    check_summable(discrete_sites(model_trace))
    if summed:
        log_guide, _ = marginal_densities(guide, latents, rows, at(guide, latents, rows))
    elif len(sites) > 1:
        log_guide = log_prob_of(guide_trace, latents)
    log_prior, log_likelihood = marginal_densities(model, latents, rows, model_trace)
    return Particles(
        log_likelihood=log_likelihood.reshape(shape),
        log_prior=log_prior.reshape(shape),
        log_guide=log_guide.reshape(shape),
        latents={name: value.reshape(shape + value.shape[1:]) for name, value in latents.items()},
    )


__all__ = [
    "Densities",
    "Particles",
    "Program",
    "draw",
    "log_weights",
    "masked",
    "repeat_rows",
    "rows_per_chunk",
    "site_log_prob",
    "split_batch",
    "stream",
    "sum_log_probs",
]
