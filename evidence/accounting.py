"""Every site of a pair is counted, bookkeeping without a density, or refused by name."""

from collections.abc import Iterable

import pyro.distributions as dist
import torch
from jaxtyping import Bool
from pyro.distributions.transforms import BatchNorm
from pyro.poutine import Trace
from torch import Tensor

from evidence.batch import Batch, repeat_rows
from evidence.noise import forked
from evidence.parts import parts_of
from evidence.plates import plates_of
from evidence.structure import (
    Program,
    Site,
    at,
    check_columns,
    latent_sites,
    observed_sites,
    sample_sites,
    traced,
)
from evidence.support import space_of
from evidence.unsupported import UnsupportedPair

# What has no density of a variable: atoms, and a measure that is no probability.
WITHOUT_DENSITY = (dist.Delta, dist.Empirical, dist.ImproperUniform, dist.Unit)


def accounted(model: Program, guide: Program, batch: Batch) -> tuple[Trace, Trace]:
    """Returns a run of the model at the continuous latents of a run of the guide, and the latter.

    Raises UnsupportedPair, which names the site, for a pair without per-datum weights; ValueError
    for a program that takes fewer columns.
    """
    for program in (guide, model):
        check_columns(program, len(batch))
    drawn = traced(guide, batch)
    check_guide(drawn, batch.size)
    latents = {site["name"]: site["value"] for site in latent_sites(drawn) if not is_discrete(site)}
    trace = at(model, latents, batch)
    check_pair(trace, drawn, batch.size)
    check_data_plate(model, batch, trace)
    return trace, drawn


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
        check_space(site, prior)
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


def check_space(guide: Site, prior: Site) -> None:
    """Raises UnsupportedPair where the densities of a latent are not of the same volumes."""
    spaces = space_of(prior["fn"]), space_of(guide["fn"])
    if spaces[0] != spaces[1]:
        raise UnsupportedPair(
            f"latent site {guide['name']!r} has a density on {spaces[0]} in the model, and on "
            f"{spaces[1]} in the guide, and no ratio of them is a weight; draw both on the same"
        )


def check_masks(guide: Site, prior: Site, rows: int) -> None:
    """Raises UnsupportedPair where a latent is masked in one of the programs alone.

    Where it is in both, `evidence.idle` looks whether it has a say.
    """
    masks = [mask for site in (guide, prior) if (mask := counted(site, rows)) is not None]
    # A mask that one of them lacks must leave out nothing.
    if masks and not bool((masks[0] == (True if len(masks) == 1 else masks[1])).all()):
        raise masked_latent(guide)


def check_unmasked(site: Site) -> None:
    """Raises UnsupportedPair if the program leaves out the site's density, of any datum."""
    mask = counted(site, 1)
    if mask is not None and not bool(mask.all()):
        raise masked_latent(site)


def masked_latent(site: Site) -> UnsupportedPair:
    """Returns the refusal of a latent whose density is left out."""
    return UnsupportedPair(
        f"latent site {site['name']!r} is masked, so its density is left out; mask the observed "
        "site alone, or a whole datum in model and guide"
    )


def counted(site: Site, rows: int) -> Bool[Tensor, " *shape"] | None:
    """Returns which numbers of a latent's value its density counts; None where nothing is masked.

    (None can be read while a program is recorded, when no number of a tensor can.)

    Masks are the program's (`poutine.mask`) and the distribution's own (`.mask()`), at any depth
    under `.to_event()`; deeper ones, of a mixture's components say, are refused.

    Arguments:
        site: A site of a trace.
        rows: For how many data, a multiple of those of the trace.
    """
    value, fn = site["value"], site["fn"]
    masks = [(site["mask"], len(fn.event_shape))]
    while isinstance(fn, (dist.Independent, dist.MaskedDistribution)):
        if isinstance(fn, dist.MaskedDistribution):
            masks.append((vars(fn)["_mask"], len(fn.event_shape)))
        fn = fn.base_dist
    if any(isinstance(part, dist.MaskedDistribution) for part in parts_of(fn)):
        raise masked_latent(site)
    found: Tensor | None = None
    for mask, events in masks:
        if mask is not None and mask is not True:
            mask = torch.as_tensor(mask, device=value.device).bool()
            mask = mask.reshape(mask.shape + (1,) * events).expand(value.shape)
            found = mask if found is None else found & mask
    return None if found is None else repeat_rows(found, max(1, rows // len(found)))


def check_plate(sites: Iterable[Site], rows: int, others: Iterable[Site] = ()) -> None:
    """Raises UnsupportedPair unless one plate of `rows` data has all `sites`, and no other any."""
    sites = list(sites)
    every = [list(plates_of(site).values()) for site in [*sites, *others]]
    outer = {plates[0].name for plates in every if plates}
    if len(outer) > 1:
        raise _several({plate.name for plates in every for plate in plates})
    for site in sites:
        if not any(frame.vectorized for frame in site["cond_indep_stack"]):
            raise _global(site)
        check_shape(site, rows)


def check_data_plate(program: Program, batch: Batch, trace: Trace) -> None:
    """Raises UnsupportedPair unless the leftmost plate of a trace is that of the data.

    Where a site is in two plates of as many rows, the program runs on twice the data, and the
    leftmost must have followed.
    """
    sizes = [[plate.size for plate in plates_of(site).values()] for site in sample_sites(trace)]
    if all(each.count(batch.size) < 2 for each in sizes):
        return
    with forked(batch.device, seed=0):
        other = traced(program, batch.repeat(2))
    check_plate(sample_sites(other), 2 * batch.size)


def _global(site: Site) -> UnsupportedPair:
    return UnsupportedPair(
        f"site {site['name']!r} is outside the data plate: "
        "a global variable has no per-datum weight; make it a parameter"
    )


def _several(plates: set[str]) -> UnsupportedPair:
    return UnsupportedPair(
        f"the pair has several plates ({', '.join(sorted(plates))}), and the data plate is not the "
        "leftmost of all; give it dim=-2 and one inside of it dim=-1, or declare the other "
        "dimensions with .to_event()"
    )


def check_shape(site: Site, rows: int) -> None:
    """Raises UnsupportedPair unless the site has a density for each of `rows` data."""
    shape = tuple(site["fn"].batch_shape)
    if not shape:
        raise _global(site)
    plates = {plate.name for plate in plates_of(site).values()}
    if shape != (rows,) and len(plates) > 1:
        raise _several(plates)
    if shape != (rows,):
        raise UnsupportedPair(
            f"site {site['name']!r} has batch shape {shape} on {rows} data; declare the other "
            "dimensions with .to_event(), and let all sizes follow len(x): a program that draws a "
            "subsample of its own, or fixes how many data it takes, is given these data instead"
        )
