"""The sites of a Pyro pair, and the refusal of pairs without per-datum weights."""

from collections.abc import Callable, Iterable
from typing import Any, TypedDict, cast

import torch
from jaxtyping import Float, Float64
from pyro import poutine
from pyro.distributions import TorchDistribution
from pyro.distributions.util import scale_and_mask
from pyro.poutine import Trace
from pyro.poutine.indep_messenger import CondIndepStackFrame
from torch import Tensor

from evidence.unsupported import UnsupportedPair

# A model or a guide: a Pyro program, called with the columns of a batch.
Program = Callable[..., object]

# Values of latents by site name, (rows, *event).
Latents = dict[str, Tensor]


class Site(TypedDict):
    """A sample site of a trace: what this package reads of Pyro's message."""

    type: str
    name: str
    fn: TorchDistribution
    value: Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    is_observed: bool
    cond_indep_stack: tuple[CondIndepStackFrame, ...]
    scale: float | Tensor
    mask: bool | Tensor | None


def traced(program: Program, batch: tuple[Tensor, ...]) -> Trace:
    """Returns the trace of one run `program(*batch)`."""
    return poutine.trace(program).get_trace(*batch)


def at(program: Program, latents: Latents, batch: tuple[Tensor, ...]) -> Trace:
    """Returns the trace of `program(*batch)` with the values `latents` at its latent sites."""
    return traced(poutine.condition(program, data=latents), batch)


def site_of(trace: Trace, name: str) -> Site:
    """Returns the sample site of that name."""
    return cast(Site, trace.nodes[name])


def sample_sites(trace: Trace) -> list[Site]:
    """Returns the random sites of a trace, without the sites that plates add for themselves."""
    return [
        cast(Site, node)
        for node in trace.nodes.values()
        if node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample"
    ]


def latent_sites(trace: Trace) -> list[Site]:
    """Returns the sites that a program draws."""
    return [site for site in sample_sites(trace) if not site["is_observed"]]


def observed_site(trace: Trace, latents: Iterable[str]) -> Site:
    """Returns the one site of a model that is none of `latents`: the datum.

    Raises UnsupportedPair for a model with no such site, or with several.
    """
    observed = [site for site in sample_sites(trace) if site["name"] not in set(latents)]
    if len(observed) != 1:
        names = ", ".join(repr(site["name"]) for site in observed) or "none"
        raise UnsupportedPair(
            f"the model has {len(observed)} observed sites ({names}); "
            "write it with one, whose event holds all that is observed of a datum"
        )
    return observed[0]


def site_log_prob(site: Site) -> Float64[Tensor, " rows"]:
    """Returns the log-density of the site's value, masked as the program says, never scaled."""
    log_prob = site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"])
    return masked(log_prob, site).double()


def sum_log_probs(sites: Iterable[Site]) -> Float64[Tensor, " rows"]:
    """Returns the joint log-density of several sites."""
    return torch.stack([site_log_prob(site) for site in sites]).sum(0)


def log_prob_of(trace: Trace, names: Iterable[str]) -> Float64[Tensor, " rows"]:
    """Returns the joint log-density of the sites of these names."""
    return sum_log_probs(site_of(trace, name) for name in names)


def masked(log_prob: Float[Tensor, " *shape"], site: Site) -> Float[Tensor, " *shape"]:
    """Returns `log_prob` where the site's mask is on and 0 elsewhere, as Pyro counts it.

    The site's scale (`poutine.scale`, plate subsampling) weights a loss, and is left out.
    """
    return scale_and_mask(log_prob, scale=1.0, mask=site["mask"])


def check_pair(model: Trace, guide: Trace, rows: int) -> None:
    """Raises UnsupportedPair unless all sites share one data plate and all latents are continuous.

    `model` is the trace of a run with the guide's latents on `rows` data.
    """
    latents = {site["name"]: site for site in latent_sites(guide)}
    if not latents:
        raise UnsupportedPair("the guide has no latent site: there is nothing to weight")
    for name, site in latents.items():
        support = site["fn"].support
        if support is not None and support.is_discrete:
            raise UnsupportedPair(
                f"latent site {name!r} is discrete; "
                "sum it out by enumeration (TraceEnum_ELBO) instead"
            )
        if name not in model:
            raise UnsupportedPair(f"the guide's site {name!r} is not in the model; add it there")
    sites = sample_sites(model)
    for site in sites:
        if site["name"] not in latents and not site["is_observed"]:
            raise UnsupportedPair(
                f"the model's latent site {site['name']!r} is not in the guide; add it there"
            )
    check_plate(sites, rows, latents.values())


def check_plate(sites: Iterable[Site], rows: int, others: Iterable[Site] = ()) -> None:
    """Raises UnsupportedPair unless one plate of `rows` data has all `sites`, and no other any."""
    sites = list(sites)
    plates = {
        frame.name
        for site in [*sites, *others]
        for frame in site["cond_indep_stack"]
        if frame.vectorized
    }
    if len(plates) > 1:
        raise UnsupportedPair(
            f"the pair has several plates ({', '.join(sorted(plates))}); one data plate is "
            "supported: declare the other dimensions with .to_event()"
        )
    for site in sites:
        name = site["name"]
        if not any(frame.vectorized for frame in site["cond_indep_stack"]):
            raise UnsupportedPair(
                f"site {name!r} is outside the data plate: "
                "a global variable has no per-datum weight; make it a parameter"
            )
        shape = tuple(site["fn"].batch_shape)
        if shape != (rows,):
            raise UnsupportedPair(
                f"site {name!r} has batch shape {shape} on {rows} data; "
                "declare the other dimensions with .to_event()"
            )
