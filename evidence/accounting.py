"""Every site of a pair is counted, bookkeeping without a density, or refused by name."""

from collections.abc import Iterable

import pyro.distributions as dist
import torch
from pyro.distributions.transforms import BatchNorm
from pyro.poutine import Trace
from torch import Tensor
from torch.distributions import Distribution

from evidence.parts import parts_of
from evidence.structure import Site, latent_sites, observed_sites, sample_sites
from evidence.unsupported import UnsupportedPair

# What has no density of a variable: atoms, and a measure that is no probability.
WITHOUT_DENSITY = (dist.Delta, dist.Empirical, dist.ImproperUniform, dist.Unit)


def check_pair(model: Trace, guide: Trace, rows: int) -> None:
    """Raises UnsupportedPair unless all sites share one data plate and the latents are in both.

    `model` is the trace of a run with the guide's latents on `rows` data.
    """
    latents = {site["name"]: site for site in latent_sites(guide) if not is_discrete(site)}
    for name in [site["name"] for site in latent_sites(guide)]:
        if name not in model:
            raise UnsupportedPair(f"the guide's site {name!r} is not in the model; add it there")
    sites = sample_sites(model)
    for site in sites:
        if site["name"] not in latents and not site["is_observed"] and not is_discrete(site):
            raise UnsupportedPair(
                f"the model's latent site {site['name']!r} is not in the guide; add it there"
            )
    check_plate(sites, rows, latents.values())
    summed = [site["name"] for site in latent_sites(model)]
    for observed in observed_sites(model, [*latents, *summed]):
        check_density(observed, "the model")
    for name, site in latents.items():
        (prior,) = [one for one in sites if one["name"] == name]
        check_density(prior, "the model")
        check_masks(site, prior, rows)


def check_guide(guide: Trace, rows: int) -> None:
    """Raises UnsupportedPair unless q is a density of latents of `rows` data, some continuous."""
    latents = latent_sites(guide)
    if not latents:
        raise UnsupportedPair("the guide has no latent site: there is nothing to weight")
    if all(is_discrete(site) for site in latents):
        raise UnsupportedPair(
            f"latent site {latents[0]['name']!r} is discrete, and none is continuous: exact "
            "sums over all values (evidence.enumeration), and no bound is needed"
        )
    for site in sample_sites(guide):
        name = site["name"]
        check_density(site, "the guide")
        if site["is_observed"]:
            raise UnsupportedPair(
                f"the guide observes site {name!r}, which is no part of q(z|x); "
                "move it to the model, or leave it out"
            )
        if not any(frame.vectorized for frame in site["cond_indep_stack"]):
            check_shape(site, rows)


def is_discrete(site: Site) -> bool:
    """Returns whether the values of a site are discrete."""
    support = site["fn"].support
    return support is not None and bool(support.is_discrete)


def check_density(site: Site, program: str) -> None:
    """Raises UnsupportedPair for a site whose number is no log-density of its value."""
    name = site["name"]
    for part in parts_of(site["fn"]):
        if isinstance(part, dist.Unit):
            raise UnsupportedPair(
                f"{program} has a factor {name!r}, which is no density of a variable; "
                "write what it stands for as a distribution"
            )
        if isinstance(part, WITHOUT_DENSITY):
            raise UnsupportedPair(
                f"site {name!r} of {program} is a {type(part).__name__}, which has no density; "
                "use a distribution that has one (a point, as of AutoDelta, gives no bound; an "
                "autoguide's points stand for latents of its own: write q(z|x) out)"
            )
        if isinstance(part, BatchNorm) and part.training:
            raise UnsupportedPair(
                f"site {name!r} of {program} has a BatchNorm in training mode, where a datum's "
                "density depends on its neighbours; call .eval() on it"
            )


def check_masks(guide: Site, prior: Site, rows: int) -> None:
    """Raises UnsupportedPair where a latent is masked in one of the programs alone.

    Where it is in both, `evidence.idle` looks whether it has a say.
    """
    for site in (guide, prior):
        if _is_masked(site["fn"]):
            raise masked_latent(site)
    if all(site["mask"] is None or site["mask"] is True for site in (guide, prior)):
        return
    mine, other = (counted_rows(site, rows) for site in (guide, prior))
    if not bool((mine == other).all()):
        raise masked_latent(guide)


def check_unmasked(site: Site) -> None:
    """Raises UnsupportedPair if the program leaves out the site's density, of any datum."""
    if _is_masked(site["fn"]) or not bool(counted_rows(site, 1).all()):
        raise masked_latent(site)


def masked_latent(site: Site) -> UnsupportedPair:
    """Returns the refusal of a latent whose density is left out."""
    return UnsupportedPair(
        f"latent site {site['name']!r} is masked, so its density is left out; mask the observed "
        "site alone, or a whole datum in model and guide"
    )


def _is_masked(fn: Distribution) -> bool:
    return any(isinstance(part, dist.MaskedDistribution) for part in parts_of(fn))


def counted_rows(site: Site, rows: int) -> Tensor:
    """Returns for which of `rows` data the site is counted."""
    mask = site["mask"]
    if mask is None or isinstance(mask, bool):
        mask = torch.tensor(mask is not False)
    mask = mask.to(site["value"].device)
    return mask.expand(rows) if mask.numel() == 1 else mask.repeat(max(1, rows // len(mask)))


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
        if not any(frame.vectorized for frame in site["cond_indep_stack"]):
            raise _global(site)
        check_shape(site, rows)


def _global(site: Site) -> UnsupportedPair:
    return UnsupportedPair(
        f"site {site['name']!r} is outside the data plate: "
        "a global variable has no per-datum weight; make it a parameter"
    )


def check_shape(site: Site, rows: int) -> None:
    """Raises UnsupportedPair unless the site has a density for each of `rows` data."""
    shape = tuple(site["fn"].batch_shape)
    if not shape:
        raise _global(site)
    if shape != (rows,):
        raise UnsupportedPair(
            f"site {site['name']!r} has batch shape {shape} on {rows} data; declare the other "
            "dimensions with .to_event(), and let all sizes follow len(x): a program that draws a "
            "subsample of its own, or fixes how many data it takes, is given these data instead"
        )
