"""log p(x) = log Σ_z p(z) p(x|z), summed over every z, for models all of whose latents are discrete."""

import itertools
import math
from typing import Any

import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import Distribution, Independent

from evidence.estimate import Enumeration, Estimate
from evidence.structure import check_plate, latent_sites, sample_sites
from evidence.weights import Program, repeat_rows, rows_per_chunk, sum_log_probs

MOST_ASSIGNMENTS = 2**16
"""Of values to all latents of one datum; beyond it, nothing is enumerated."""


@torch.no_grad()
def enumeration(model: Program, batch: tuple[Tensor, ...]) -> Estimate | None:
    """The sum over all assignments of values to the latent sites, for every datum of `batch`; None where a latent is not
    discrete, where its values have no end, or where there are more than MOST_ASSIGNMENTS of them.

    Several sites may depend on each other, provided that none changes what values another can take. Raises RequestError,
    naming the site, for a discrete latent outside the data plate.
    """
    few = tuple(part[:10] for part in batch)
    trace = poutine.trace(model).get_trace(*few)
    sites = latent_sites(trace)
    supports = [support(site["fn"]) for site in sites]
    total = math.prod(0 if values is None else len(values) for values in supports)
    if not sites or not 0 < total <= MOST_ASSIGNMENTS:
        return None
    check_plate(sample_sites(trace), len(few[0]))
    names = [site["name"] for site in sites]
    indices = torch.cartesian_prod(
        *[torch.arange(len(values)) for values in supports if values is not None]
    )
    columns = []
    size = max(1, rows_per_chunk(batch[0], model) // min(total, 32))
    for part in zip(*(column.split(size) for column in batch), strict=True):
        chunks = indices.reshape(total, -1).split(
            max(1, rows_per_chunk(part[0], model) // len(part[0]))
        )
        terms = [_log_joint(model, part, names, supports, chunk) for chunk in chunks]
        columns.append(torch.cat(terms).logsumexp(0))
    return Estimate(torch.cat(columns), "exact", details=Enumeration(total))


def _log_joint(
    model: Program, batch: tuple[Tensor, ...], names: list[str], supports: list[Any], chunk: Tensor
) -> Tensor:
    """log p(x, z) (assignments, batch) at the values that the rows of `chunk` (assignments, sites) point to."""
    count, size = len(chunk), len(batch[0])
    values = {
        name: support[column.to(support.device)].repeat_interleave(size, 0)
        for name, support, column in zip(names, supports, chunk.T, strict=True)
    }
    rows = tuple(repeat_rows(part, count) for part in batch)
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*rows)
    return sum_log_probs(sample_sites(trace)).reshape(count, size)


def support(distribution: Distribution) -> Tensor | None:
    """All values of one datum, (values, *event_shape); None where they cannot be counted or are too many."""
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
