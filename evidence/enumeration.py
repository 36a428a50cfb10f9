"""log p(x) = log Σ_z p(z) p(x|z), summed over every z, for models with discrete latents only."""

import itertools
import math
from collections.abc import Iterable

import torch
from jaxtyping import Float64, Int
from pyro import poutine
from pyro.poutine import Trace
from torch import Tensor
from torch.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    Independent,
    OneHotCategorical,
)

from evidence.accounting import (
    check_data_plate,
    check_density,
    check_plate,
    check_unmasked,
    is_discrete,
)
from evidence.alone import check_alone
from evidence.batch import Batch, Data
from evidence.chunks import particles_per_chunk, rows_per_chunk
from evidence.estimate import Enumeration, Estimate
from evidence.noise import forked
from evidence.structure import (
    Latents,
    Program,
    Site,
    at,
    drawn,
    latent_sites,
    log_likelihood_of,
    log_prob_of,
    observed_sites,
    sample_sites,
    site_of,
    traced,
)
from evidence.unsupported import UnsupportedPair

# How many assignments of values to all latents of a datum are summed at most.
MOST_ASSIGNMENTS = 2**16

# How many assignments of one datum are looked at together.
MOST_LOOKED_AT = 2**12

# Whose values are as many as their shape says.
OF_SHAPE = (Bernoulli, Categorical, OneHotCategorical)

# How many assignments of a datum share a chunk with those of other data.
TOGETHER = 32


@torch.no_grad()
def enumeration(model: Program, x: Data) -> Estimate | None:
    """Returns log Σ_z p(x, z) over all assignments z of values to the latent sites.

    Several sites may depend on each other, but for what values they can take.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        x: the data (N, *shape), or (x, y, …), which gives log p(x|y, …).

    Returns:
        log p(x) for every datum. None if a latent is not discrete, if its values have no end or
        depend on the datum, or if there are more than 65,536 assignments.

    Raises:
        UnsupportedPair: if a discrete latent is outside the data plate or masked, if its values
            depend on another latent, or if the model has a factor. The message names the site.

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
    first = traced(model, batch.first(10))
    check_datum(model, batch.first(1), first)
    values_of = supports_of(first)
    if values_of is None:
        return None
    indices = combinations(values_of.values())
    total = len(indices)
    columns = []
    for part in batch.parts(max(1, rows_per_chunk(batch.x, model) // min(total, TOGETHER))):
        trace = traced(model, part)
        check_summable(trace, part.size)
        check_data_plate(model, part, trace)
        if not alike(values_of, supports_of(trace)):
            return None
        check_alone(model, part)
        chunks = indices.split(particles_per_chunk(part, model))
        terms = [_log_joint(model, part, first, values_of, chunk) for chunk in chunks]
        columns.append(torch.cat(terms).logsumexp(0))
    return Estimate(torch.cat(columns), "exact", details=Enumeration(total))


def supports_of(trace: Trace) -> dict[str, Tensor] | None:
    """Returns all values of every latent site; None if a latent has not a few, or there is none."""
    found = {site["name"]: support(site["fn"]) for site in latent_sites(trace)}
    known = {name: values for name, values in found.items() if values is not None}
    total = math.prod(len(values) for values in known.values())
    return known if 0 < len(known) == len(found) and total <= MOST_ASSIGNMENTS else None


def alike(one: dict[str, Tensor], other: dict[str, Tensor] | None) -> bool:
    """Returns whether latents take the same values."""
    return other is not None and all(torch.equal(one[name], other[name]) for name in one)


def combinations(supports: Iterable[Tensor]) -> Int[Tensor, " assignments sites"]:
    """Returns the numbers of the values of every site, in all combinations."""
    numbers = [torch.arange(len(values)) for values in supports]
    return torch.cartesian_prod(*numbers).reshape(-1, len(numbers))


def check_datum(model: Program, datum: Batch, trace: Trace) -> None:
    """Raises UnsupportedPair, which names the site, if a latent's values depend on another latent.

    Every assignment of one datum is looked at before any of several data: where their draws differ,
    a support that depends on a latent looks like one that depends on the datum. `trace` says
    whether there are several latents, all discrete.
    """
    latents = latent_sites(trace)
    if len(latents) < 2 or not all(map(is_discrete, latents)):
        return
    with forked(datum.device):
        one = traced(model, datum)
        values_of = supports_of(one)
        if values_of is None:
            return
        for chunk in combinations(values_of.values()).split(MOST_LOOKED_AT):
            program = poutine.condition(model, data=assigned(values_of, chunk, 1))
            found = drawn(program, datum.repeat(len(chunk)), values_of)
            for name in values_of:
                check_support(site_of(found, name), site_of(one, name))


def check_support(site: Site, assumed: Site) -> None:
    """Raises UnsupportedPair unless a discrete site has the values that it had in another run.

    The number of values of a Bernoulli or a categorical variable is one of its shape: no number of
    a tensor is read, which cannot be while a program is recorded.
    """
    own, used = of_element(site["fn"]), of_element(assumed["fn"])
    if (
        own is None
        or used is None
        or own.shape != used.shape
        or not (isinstance(_base(site["fn"]), OF_SHAPE) or torch.equal(own, used))
    ):
        raise UnsupportedPair(
            f"site {site['name']!r} has values that depend on another latent; give it all values "
            "that it takes for any, as a Categorical with probability 0 where it cannot take one"
        )


def check_summable(trace: Trace, rows: int) -> None:
    """Raises UnsupportedPair unless Σ_z of all that the model counts is p(x) of one observed x."""
    latents = latent_sites(trace)
    observed = observed_sites(trace, [site["name"] for site in latents])
    check_plate(sample_sites(trace), rows)
    for site in [*latents, *observed]:
        check_density(site, "the model")
    for site in latents:
        check_unmasked(site)


def assigned(
    values_of: dict[str, Tensor], chunk: Int[Tensor, " assignments sites"], rows: int
) -> Latents:
    """Returns the values that the rows of `chunk` point to, each for so many rows of data."""
    return {
        name: values[column.to(values.device)].repeat_interleave(rows, 0)
        for (name, values), column in zip(values_of.items(), chunk.T, strict=True)
    }


def _log_joint(
    model: Program,
    batch: Batch,
    first: Trace,
    values_of: dict[str, Tensor],
    chunk: Int[Tensor, " assignments sites"],
) -> Float64[Tensor, " assignments batch"]:
    """Returns log p(x, z) at the values that the rows of `chunk` point to.

    Raises UnsupportedPair where a latent's values are not those that it had in the `first` run.
    """
    trace = at(model, assigned(values_of, chunk, batch.size), batch.repeat(len(chunk)))
    for name in values_of:
        check_support(site_of(trace, name), site_of(first, name))
    observed = [site["name"] for site in observed_sites(trace, values_of)]
    log_likelihood = log_likelihood_of(trace, observed)
    return (log_prob_of(trace, values_of) + log_likelihood).reshape(len(chunk), batch.size)


def support(distribution: Distribution) -> Tensor | None:
    """Returns all values of one datum, (values, *event_shape).

    None if they cannot be counted, or are more than `MOST_ASSIGNMENTS`.
    """
    single, base = of_element(distribution), _base(distribution)
    if single is None:
        return None
    elements = distribution.event_shape[: len(distribution.event_shape) - len(base.event_shape)]
    if len(single) ** math.prod(elements) > MOST_ASSIGNMENTS:
        return None
    index = torch.tensor(
        list(itertools.product(range(len(single)), repeat=math.prod(elements))),
        device=single.device,
    )
    return single[index].reshape(len(index), *distribution.event_shape)


def of_element(distribution: Distribution) -> Tensor | None:
    """Returns all values of one of the variables that `.to_event()` has made one.

    None if they are too many, or those of one datum are not another's.
    """
    base = _base(distribution)
    if not base.has_enumerate_support:
        return None
    try:
        single = base.enumerate_support(expand=False)
    except NotImplementedError:  # how torch says that they differ
        return None
    return single.reshape(len(single), *base.event_shape)


def _base(distribution: Distribution) -> Distribution:
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    return distribution
