"""log p(x) = log Σ_z p(z) p(x|z), summed over every z, for models with discrete latents only."""

import itertools
import math

import torch
from jaxtyping import Float64, Int
from pyro.poutine import Trace
from torch import Tensor
from torch.distributions import Distribution, Independent

from evidence.accounting import check_data_plate, check_density, check_plate, check_unmasked
from evidence.alone import check_alone
from evidence.batch import Batch, Data
from evidence.chunks import particles_per_chunk, rows_per_chunk
from evidence.estimate import Enumeration, Estimate
from evidence.structure import (
    Program,
    at,
    latent_sites,
    log_likelihood_of,
    log_prob_of,
    observed_sites,
    sample_sites,
    traced,
)

# How many assignments of values to all latents of a datum are summed at most.
MOST_ASSIGNMENTS = 2**16

# How many assignments of a datum share a chunk with those of other data.
TOGETHER = 32


@torch.no_grad()
def enumeration(model: Program, x: Data) -> Estimate | None:
    """Returns log Σ_z p(x, z) over all assignments z of values to the latent sites.

    Several sites may depend on each other, provided that none changes what values another can take.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        x: the data (N, *shape), or (x, y, …), which gives log p(x|y, …).

    Returns:
        log p(x) for every datum. None if a latent is not discrete, if its values have no end or
        depend on the datum, or if there are more than 65,536 assignments.

    Raises:
        UnsupportedPair: if a discrete latent is outside the data plate or masked, or if the model
            has a factor. The message names the site.

    >>> import pyro, pyro.distributions as dist
    >>> def model(x):
    ...     with pyro.plate("data", len(x)):
    ...         coin = pyro.sample("coin", dist.Bernoulli(0.25))
    ...         pyro.sample("x", dist.Bernoulli(0.1 + 0.8 * coin), obs=x)
    >>> found = enumeration(model, torch.ones(1))   # p(x = 1) = 0.75 · 0.1 + 0.25 · 0.9
    >>> found.details.assignments, round(float(found.per_datum.exp()), 6)
    (2, 0.3)
    """
    batch = Batch.some(x)
    values_of = supports_of(traced(model, batch.first(10)))
    if values_of is None:
        return None
    names, supports = list(values_of), list(values_of.values())
    total = math.prod(len(values) for values in supports)
    indices = torch.cartesian_prod(*[torch.arange(len(values)) for values in supports])
    columns = []
    for part in batch.parts(max(1, rows_per_chunk(batch.x, model) // min(total, TOGETHER))):
        trace = traced(model, part)
        check_summable(trace, part.size)
        check_data_plate(model, part, trace)
        if not alike(values_of, supports_of(trace)):
            return None
        check_alone(model, part)
        chunks = indices.reshape(total, -1).split(particles_per_chunk(part, model))
        terms = [_log_joint(model, part, names, supports, chunk) for chunk in chunks]
        columns.append(torch.cat(terms).logsumexp(0))
    return Estimate(torch.cat(columns), "exact", details=Enumeration(total))


def supports_of(trace: Trace) -> dict[str, Tensor] | None:
    """Returns all values of every latent site; None if a latent has not a few, or there is none."""
    try:
        found = {site["name"]: support(site["fn"]) for site in latent_sites(trace)}
    except NotImplementedError:  # how torch says that the values of one datum are not another's
        return None
    known = {name: values for name, values in found.items() if values is not None}
    total = math.prod(len(values) for values in known.values())
    return known if 0 < len(known) == len(found) and total <= MOST_ASSIGNMENTS else None


def alike(one: dict[str, Tensor], other: dict[str, Tensor] | None) -> bool:
    """Returns whether latents take the same values."""
    return other is not None and all(torch.equal(one[name], other[name]) for name in one)


def check_summable(trace: Trace, rows: int) -> None:
    """Raises UnsupportedPair unless Σ_z of all that the model counts is p(x) of one observed x."""
    latents = latent_sites(trace)
    observed = observed_sites(trace, [site["name"] for site in latents])
    check_plate(sample_sites(trace), rows)
    for site in [*latents, *observed]:
        check_density(site, "the model")
    for site in latents:
        check_unmasked(site)


def _log_joint(
    model: Program,
    batch: Batch,
    names: list[str],
    supports: list[Tensor],
    chunk: Int[Tensor, " assignments sites"],
) -> Float64[Tensor, " assignments batch"]:
    """Returns log p(x, z) at the values that the rows of `chunk` point to."""
    values = {
        name: support[column.to(support.device)].repeat_interleave(batch.size, 0)
        for name, support, column in zip(names, supports, chunk.T, strict=True)
    }
    trace = at(model, values, batch.repeat(len(chunk)))
    observed = [site["name"] for site in observed_sites(trace, names)]
    log_likelihood = log_likelihood_of(trace, observed)
    return (log_prob_of(trace, names) + log_likelihood).reshape(len(chunk), batch.size)


def support(distribution: Distribution) -> Tensor | None:
    """Returns all values of one datum, (values, *event_shape).

    None if they cannot be counted, or are more than `MOST_ASSIGNMENTS`.
    """
    base = distribution
    while isinstance(base, Independent):
        base = base.base_dist
    if not base.has_enumerate_support:
        return None
    single = base.enumerate_support(expand=False)
    single = single.reshape(len(single), *base.event_shape)
    elements = distribution.event_shape[: len(distribution.event_shape) - len(base.event_shape)]
    if len(single) ** math.prod(elements) > MOST_ASSIGNMENTS:
        return None
    index = torch.tensor(
        list(itertools.product(range(len(single)), repeat=math.prod(elements))),
        device=single.device,
    )
    return single[index].reshape(len(index), *distribution.event_shape)
