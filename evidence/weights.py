"""Per-datum importance weights of a Pyro pair: log w = log p(x, z) − log q(z|x), z ~ q(z|x).

Pyro's own `vectorized_importance_weights` sums over the data plate and gives one joint weight per batch; here every
datum has its own. The pair is asked for nothing but one data plate, continuous latents inside it, and one observed
site. Scales (`poutine.scale`, plate subsampling) weight a loss, they are no part of a density: they are left out.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float64
from pyro import poutine
from pyro.distributions.util import scale_and_mask
from torch import Tensor

from evidence.recording.calls import run
from evidence.structure import check_pair, latent_sites, observed_site

Program = Callable[..., Any]
Batch = Tensor | tuple[Tensor, ...]
"""What the programs are called with: x, or (x, y, …) where they take more than the datum."""

CHUNK_FLOATS = 2**20
"""How many floats of x one run of the model sees: large enough to amortise Pyro, small enough to stay near the cache."""

TOGETHER = 25
"""Particles of a datum that share a chunk with those of others: the usual numbers of particles are multiples of it."""


@dataclass(frozen=True)
class Densities:
    """Of draws from q, each `(particles, batch)` float64 nats, summed over dimensions and sites."""

    log_likelihood: Float64[Tensor, " particles batch"]
    log_prior: Float64[Tensor, " particles batch"]
    log_guide: Float64[Tensor, " particles batch"]

    @property
    def log_weights(self) -> Float64[Tensor, " particles batch"]:
        """log w = log p(x|z) + log p(z) − log q(z|x)."""
        return self.log_likelihood + self.log_prior - self.log_guide


@dataclass(frozen=True)
class Particles(Densities):
    """The draws themselves too, by site name: (particles, batch, *event)."""

    latents: dict[str, Tensor]


@torch.no_grad()
def log_weights(
    model: Program, guide: Program, x: Batch, num_particles: int
) -> Float64[Tensor, " particles batch"]:
    """log w of exactly `num_particles` independent draws for every datum of `x` (batch, *shape), in nats.

    Streams through the model in chunks; only the result, particles × batch float64, is held.

    Raises RequestError, naming the site, for structure that has no per-datum weights: global latents, several plates,
    discrete latents, more than one observed site.
    """
    columns = [
        torch.cat([p.log_weights for p in stream(model, guide, part, num_particles)])
        for part in split_batch(x, num_particles, model)
    ]
    return torch.cat(columns, dim=1)


def split_batch(x: Batch, num_particles: int, model: Program) -> Iterator[tuple[Tensor, ...]]:
    """Parts of `x` small enough that a few particles of each fit one chunk."""
    batch = as_batch(x)
    if num_particles < 1:
        raise ValueError(f"num_particles={num_particles}: must be at least 1")
    most = max(1, rows_per_chunk(batch[0], model) // min(num_particles, TOGETHER))
    size = math.ceil(
        len(batch[0]) / math.ceil(len(batch[0]) / most)
    )  # as equal as can be: none is much smaller
    yield from zip(*(part.split(size) for part in batch), strict=True)


def stream(
    model: Program, guide: Program, batch: tuple[Tensor, ...], num_particles: int
) -> Iterator[Densities]:
    """`num_particles` draws for every datum of `batch`, a chunk at a time; the chunks add up to exactly that many.

    Inside `recording.recorded()` chunks of one size run compiled.
    """
    chunk = max(1, rows_per_chunk(batch[0], model) // len(batch[0]))
    for start in range(0, num_particles, chunk):
        count = min(chunk, num_particles - start)
        yield Densities(
            *run(
                ("draw", model, guide),
                partial(densities, model, guide, count),
                *batch,
                variant=count,
            )
        )


def densities(
    model: Program, guide: Program, num_particles: int, *batch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What `Densities` holds, of fresh draws."""
    particles = draw(model, guide, batch, num_particles)
    return particles.log_likelihood, particles.log_prior, particles.log_guide


@torch.no_grad()
def draw(
    model: Program, guide: Program, batch: tuple[Tensor, ...], num_particles: int
) -> Particles:
    """`num_particles` draws for every datum at once, in one run of the model on particles × batch rows."""
    size = len(batch[0])
    shape = (num_particles, size)
    rows = tuple(repeat_rows(part, num_particles) for part in batch)
    guide_trace = poutine.trace(guide).get_trace(*batch)
    sites = latent_sites(guide_trace)
    if len(sites) == 1:
        # One latent site *is* its distribution q(z|x): sample it `num_particles` times, encode once.
        (site,) = sites
        values = (
            site["fn"].sample((num_particles,)) if num_particles > 1 else site["value"].unsqueeze(0)
        )
        log_guide = masked(site["fn"].log_prob(values), site)
        latents = {site["name"]: values.flatten(0, 1)}
    else:
        guide_trace = poutine.trace(guide).get_trace(*rows)
        sites, log_guide = latent_sites(guide_trace), None
        latents = {site["name"]: site["value"] for site in sites}
    model_trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(*rows)
    check_pair(model_trace, guide_trace, size * num_particles)
    log_guide = sum_log_probs(sites) if log_guide is None else log_guide
    return Particles(
        log_likelihood=site_log_prob(observed_site(model_trace, latents)).reshape(shape),
        log_prior=sum_log_probs(model_trace.nodes[name] for name in latents).reshape(shape),
        log_guide=log_guide.double().reshape(shape),
        latents={name: value.reshape(shape + value.shape[1:]) for name, value in latents.items()},
    )


def as_batch(x: Batch) -> tuple[Tensor, ...]:
    """What programs are called with, as a tuple: (x,), or x as it is where it is several columns already."""
    return x if isinstance(x, tuple) else (x,)


def rows_per_chunk(x: Tensor, model: Any) -> int:
    """How many data fit a chunk; fewer where the likelihood says that it needs more numbers for a datum than the datum has."""
    needed = getattr(getattr(model, "likelihood", None), "parameter_shape", ())
    return max(1, CHUNK_FLOATS // max(1, x[0].numel(), math.prod(needed)))


def repeat_rows(x: Tensor, times: int) -> Tensor:
    """(batch, …) to (times·batch, …), the particle index slowest."""
    return x if times == 1 else x.repeat(times, *[1] * (x.dim() - 1))


def site_log_prob(site: Any) -> Float64[Tensor, " rows"]:
    """The site's own log-density of its value, masked as the program says, never scaled."""
    return masked(
        site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"]), site
    ).double()


def sum_log_probs(sites: Iterable[Any]) -> Float64[Tensor, " rows"]:
    """The joint log-density of several sites."""
    return torch.stack([site_log_prob(site) for site in sites]).sum(0)


def masked(log_prob: Tensor, site: Any) -> Tensor:
    """`log_prob` where the site's mask is on, 0 elsewhere, as Pyro counts it; without the site's scale."""
    return scale_and_mask(log_prob, scale=1.0, mask=site["mask"])


__all__ = ["Batch", "Particles", "Program", "draw", "log_weights", "split_batch", "stream"]
