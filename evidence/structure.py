"""Which pairs have per-datum weights, and a refusal by name for those that have not."""

from collections.abc import Iterable
from typing import Any

from pyro.poutine import Trace

from errors import RequestError

Site = Any  # Pyro's message: a dictionary of fn, value, cond_indep_stack, …


def sample_sites(trace: Trace) -> list[Site]:
    """The random sites of a trace, without the bookkeeping sites of plates."""
    return [
        site
        for site in trace.nodes.values()
        if site["type"] == "sample" and type(site["fn"]).__name__ != "_Subsample"
    ]


def latent_sites(trace: Trace) -> list[Site]:
    """The sites that a program draws."""
    return [site for site in sample_sites(trace) if not site["is_observed"]]


def observed_site(trace: Trace, latents: Iterable[str]) -> Site:
    """The one site of a model that is not latent: the datum."""
    observed = [site for site in sample_sites(trace) if site["name"] not in set(latents)]
    if len(observed) != 1:
        names = ", ".join(repr(site["name"]) for site in observed) or "none"
        raise RequestError(
            f"the model has {len(observed)} observed sites ({names}); the evidence of one is computed"
        )
    return observed[0]


def check_pair(model: Trace, guide: Trace, rows: int) -> None:
    """Raise RequestError unless every site lies in one and the same data plate and every latent is continuous.

    `model` was run with the guide's latents on `rows` data.
    """
    latents = {site["name"]: site for site in latent_sites(guide)}
    if not latents:
        raise RequestError("the guide has no latent site: there is nothing to weight")
    for name, site in latents.items():
        if getattr(site["fn"].support, "is_discrete", False):
            raise RequestError(
                f"latent site {name!r} is discrete; sum it out by enumeration (TraceEnum_ELBO) instead"
            )
        if name not in model:
            raise RequestError(f"the guide's site {name!r} is not in the model")
    sites = sample_sites(model)
    for site in sites:
        if site["name"] not in latents and not site["is_observed"]:
            raise RequestError(f"the model's latent site {site['name']!r} is not in the guide")
    check_plate(sites, rows, latents.values())


def check_plate(sites: Iterable[Site], rows: int, others: Iterable[Site] = ()) -> None:
    """Raise RequestError unless every site lies in the data plate of `rows` data, and the `others` in no other one."""
    sites = list(sites)
    plates = {
        frame.name
        for site in [*sites, *others]
        for frame in site["cond_indep_stack"]
        if frame.vectorized
    }
    if len(plates) > 1:
        raise RequestError(
            f"the pair has several plates ({', '.join(sorted(plates))}); one data plate is supported"
        )
    for site in sites:
        if not any(frame.vectorized for frame in site["cond_indep_stack"]):
            raise RequestError(
                f"site {site['name']!r} is outside the data plate: a global variable has no per-datum weight"
            )
        shape = tuple(site["fn"].batch_shape)
        if shape != (rows,):
            raise RequestError(
                f"site {site['name']!r} has batch shape {shape} on {rows} data; declare the other dimensions with .to_event()"
            )
