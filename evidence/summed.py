"""Discrete latents beside continuous ones, summed in every density.

log p(x, z) = log Σ_y p(x, y, z) over all assignments y of values to the discrete latents of the
model, and log q(z|x) = log Σ_y q(y, z|x) over those of the guide: a weight of z alone. The programs
run once with a row for every assignment, so they need no dimensions for Pyro's enumeration.
"""

import math

import torch
from jaxtyping import Float64
from pyro.poutine import Trace
from torch import Tensor

from evidence.accounting import check_density, check_unmasked, is_discrete
from evidence.batch import Batch, repeat_rows
from evidence.enumeration import assigned, check_support, combinations, support
from evidence.structure import (
    Latents,
    Program,
    Site,
    at,
    latent_sites,
    log_likelihood_of,
    log_prob_of,
    sample_sites,
    site_of,
)
from evidence.unsupported import UnsupportedPair

# How many assignments are summed in every weight at most.
MOST_SUMMED = 2**10


def discrete_sites(trace: Trace) -> list[Site]:
    """Returns the discrete latent sites of a trace, which are summed."""
    return [site for site in latent_sites(trace) if is_discrete(site)]


def marginal_densities(
    program: Program, latents: Latents, batch: tuple[Tensor, ...], trace: Trace
) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
    """Returns the log-densities of `latents`, and of all that is observed given them.

    Arguments:
        program: A model or a guide.
        latents: Values of its continuous latents, (rows, *event).
        batch: What it is called with.
        trace: `program` at these latents and this batch; its discrete latents are summed.

    Raises UnsupportedPair where they cannot be.
    """
    hidden = discrete_sites(trace)
    if hidden:
        every, count = assignments(hidden, len(batch[0]))
        given = {name: repeat_rows(z, count) for name, z in latents.items()} | every
        trace = at(program, given, Batch.of(batch).repeat(count))
        for site in hidden:
            check_support(site_of(trace, site["name"]), site)
        names = list(given)
    else:
        count, names = 1, list(latents)
    others = [site["name"] for site in sample_sites(trace) if site["name"] not in names]
    log_prior = log_prob_of(trace, names)
    if not hidden:
        return log_prior, log_likelihood_of(trace, others) if others else 0 * log_prior
    log_joint = log_prior + log_likelihood_of(trace, others) if others else log_prior
    prior, joint = (part.unflatten(0, (count, -1)).logsumexp(0) for part in (log_prior, log_joint))
    # Where no z of the prior is, there is no likelihood either.
    return prior, torch.where(prior == -math.inf, 0.0, joint - prior)


def check_summable(sites: list[Site]) -> None:
    """Raises UnsupportedPair, which names the site, unless all these discrete sites are summed."""
    for site in sites:
        check_density(site, "the pair")
        check_unmasked(site)
    if sites:
        assignments(sites, 1)


def assignments(sites: list[Site], rows: int) -> tuple[Latents, int]:
    """Returns all values of every site, for `rows` rows, in all combinations, and their number."""
    supports = [_support(site) for site in sites]
    total = math.prod(len(values) for values in supports)
    if total > MOST_SUMMED:
        names = ", ".join(repr(site["name"]) for site in sites)
        raise UnsupportedPair(
            f"the discrete latents {names} have {total:,} assignments, and {MOST_SUMMED:,} are "
            "summed in a weight at most; make them fewer, or continuous"
        )
    values_of = {site["name"]: values for site, values in zip(sites, supports, strict=True)}
    return assigned(values_of, combinations(supports), rows), total


def _support(site: Site) -> Tensor:
    values = support(site["fn"])
    if values is None:
        raise UnsupportedPair(
            f"discrete latent site {site['name']!r} has no few values, the same for every datum, "
            "that could be summed; give it a bounded support, or make it continuous"
        )
    return values
