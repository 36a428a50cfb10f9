"""The number of a datum is its own: the same alone, in any order, and beside any others.

A program that takes a mean over the batch, counts its rows or mixes them up gives a datum another
density beside other data. So all densities are computed twice, at the same latents: of all data at
once, and of the data in groups, in another order. Groups are two data that are likely to be extreme
in whatever a program reads off a batch, each alone, and two halves of the others. A group that a
program cannot run on comes once more, before all data.
"""

import warnings
from collections.abc import Iterator

import pyro
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor
from torch.distributions import Distribution, TransformedDistribution

from evidence.accounting import accounted, check_shape
from evidence.batch import Batch, Data
from evidence.chunks import rows_per_chunk
from evidence.digits import all_digits, check_digits
from evidence.narrower import left_out
from evidence.noise import forked
from evidence.structure import (
    Latents,
    Program,
    at,
    check_columns,
    check_inside,
    latent_sites,
    sample_sites,
    site_log_prob,
)
from evidence.unsupported import RefusedNumber, UnsupportedPair, rows_named

# How far apart two densities of a datum may be, relative to themselves and in nats, without a
# closer look; and how many times as far as a change of the latents' last digits takes them.
RELATIVE, NATS, TIMES = 1e-6, 1e-4, 100.0

NOISE = "has another log-density at each run; draw all noise by pyro.sample"
BATCH = (
    "alone or in another order; compute it from the datum's own row, without a mean, a norm or an "
    "order of the batch"
)

BELOW = (
    "what its weights give stays below log p(x), however many particles; widen the guide, or take "
    "proposal='mixture' where there is one"
)

Densities = dict[str, Float64[Tensor, " rows"]]


@torch.no_grad()
def looked_at(
    model: Program, guide: Program, x: Data, weighed: bool = False, inside: bool = True
) -> Batch:
    """Returns `x` as a batch, after a look whether every density of a datum is its own.

    The caller's random numbers stay as they are. Where draws of the guide are `weighed`, a guide
    that leaves out part of the prior's support is warned of. Values are `inside` of the support,
    unless means stand for some that are missing.

    Raises UnsupportedPair, which names the site, if one is not, or for a pair without per-datum
    weights; ValueError if there are no data.
    """
    batch = Batch.some(x)
    with forked(batch.device), all_digits(batch.device) as rough:
        for start, rows in _parts(batch, model):
            with rows_named(rows, start):
                traces = accounted(model, guide, rows)
                latents = _check(guide, "the guide", rows, {})
                _check(model, "the model", rows, latents, inside)
                check_digits(model, rows, latents, rough)
            if weighed and not start and (narrower := left_out(*traces)):
                warnings.warn(f"{narrower}: {BELOW}", stacklevel=5)
    return batch


@torch.no_grad()
def check_alone(model: Program, batch: Batch) -> None:
    """Raises UnsupportedPair, which names the site, if a density of the model is not its own."""
    check_columns(model, len(batch))
    with forked(batch.device), all_digits(batch.device) as rough:
        for start, rows in _parts(batch, model):
            with rows_named(rows, start):
                check_digits(model, rows, _check(model, "the model", rows, {}), rough)


def _parts(batch: Batch, model: Program) -> Iterator[tuple[int, Batch]]:
    """Yields the data, at least two rows at a time, with the number of the first one.

    A datum left over is beside itself.
    """
    size = max(2, rows_per_chunk(batch.x, model))
    for number, part in enumerate(batch.parts(size)):
        yield number * size, part.repeat(2 if part.size == 1 else 1)


def _check(
    program: Program, what: str, rows: Batch, latents: Latents, inside: bool = True
) -> Latents:
    """Checks a program at these latents, and returns them with those that it draws itself."""
    trace = at(program, latents, rows)
    drawn = latent_sites(trace)
    latents = latents | {site["name"]: site["value"] for site in drawn}
    # A flow that lacks an inverse has no density at what it has not just drawn, but noise that it
    # takes there.
    noise = {
        site["name"]: site["fn"].base_dist.sample()
        for site in drawn
        if isinstance(site["fn"], TransformedDistribution)
    }
    together = _densities(program, rows, latents, noise)
    for site in sample_sites(trace):
        if inside and site["name"] not in latents:
            check_inside(site, what, together[site["name"]])
    for name, density in together.items():
        if bool(density.isnan().any()):
            row = int(density.isnan().nonzero()[0])
            raise RefusedNumber(f"site {name!r} of {what} has a log-density that is NaN", row)
    for group in _groups(rows):
        found = _elsewhere(program, what, rows, group, latents, noise)
        for name, apart in found.items():
            beside = together[name][group]
            off = ~_close(apart, beside, RELATIVE * beside.abs() + NATS)
            if bool(off.any()):
                again = _densities(program, rows, latents, noise)[name][group]
                if not bool(_close(again, beside, torch.zeros_like(beside)).all()):
                    raise UnsupportedPair(f"site {name!r} of {what} {NOISE}")
                with pyro.validation_enabled(False):
                    moved = _densities(program, rows, _moved(latents), _moved(noise))[name]
                off &= ~_close(apart, beside, TIMES * (moved[group] - beside).abs())
            if bool(off.any()):
                raise UnsupportedPair(
                    f"site {name!r} of {what} has a log-density of {float(beside[off][0]):.6g} "
                    f"nats of a datum beside others and of {float(apart[off][0]):.6g} {BATCH}"
                )
    return latents


def _elsewhere(
    program: Program,
    what: str,
    rows: Batch,
    group: Int[Tensor, " some"],
    latents: Latents,
    noise: Latents,
) -> Densities:
    """Returns the densities of a group by itself, or where it cannot be, as those of more data.

    A program may need the longest sequence, say. Then the group comes once more, before all data.
    """
    failed = Exception()
    for company in (group, torch.cat([group, torch.arange(rows.size, device=group.device)])):
        given = [{name: value[company] for name, value in v.items()} for v in (latents, noise)]
        try:
            found = _densities(program, rows.rows(company), *given)
        except UnsupportedPair:
            raise
        except Exception as error:  # of the program
            failed = error
        else:
            return {name: density[: len(group)] for name, density in found.items()}
    said = (str(failed).splitlines() or [type(failed).__name__])[0]
    raise UnsupportedPair(
        f"{what} runs on {rows.size} data, and not on {len(group)} of them, alone or beside all "
        f"({said}); compute what it gives a datum from the datum's own row"
    ) from failed


def _close(
    one: Float64[Tensor, " rows"], other: Float64[Tensor, " rows"], by: Float64[Tensor, " rows"]
) -> Bool[Tensor, " rows"]:
    return ((one - other).abs() <= by) | (one == other)


def _groups(rows: Batch) -> Iterator[Int[Tensor, " some"]]:
    """Yields the numbers of the rows of every group; each row is in one of them."""
    sums = rows.x.reshape(rows.size, -1).sum(1, dtype=torch.float64)
    order = sums.argsort(stable=True)
    ends, between = order[[0, -1]], order[1:-1].sort(descending=True).values
    for group in (between[::2], between[1::2], *ends.split(1)):
        if len(group):
            yield group


def _densities(program: Program, rows: Batch, latents: Latents, noise: Latents) -> Densities:
    """Returns the log-density of every site at these latents, or where it takes this noise."""
    found = {}
    for site in sample_sites(at(program, latents, rows)):
        check_shape(site, rows.size)
        name, fn = site["name"], site["fn"]
        found[name] = _pushed(fn, noise[name]) if name in noise else site_log_prob(site)
    return found


def _pushed(fn: Distribution, noise: Tensor) -> Float64[Tensor, " rows"]:
    """Returns a number of every datum that tells where a flow takes the noise, and how likely."""
    assert isinstance(fn, TransformedDistribution)
    value = noise
    for transform in fn.transforms:
        value = transform(value)
    terms = [fn.base_dist.log_prob(noise), value]
    return torch.stack([term.reshape(len(noise), -1).double().sum(1) for term in terms]).sum(0)


def _moved(latents: Latents) -> Latents:
    """Returns the same latents with other last digits, a little closer to 0."""
    return {
        name: value * (1 - 2 * torch.finfo(value.dtype).eps) if value.is_floating_point() else value
        for name, value in latents.items()
    }
