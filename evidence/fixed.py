"""What must be the same whatever the latents are: bounds of supports, and what is observed."""

import torch
from pyro import poutine
from torch import Tensor

from evidence.batch import Batch
from evidence.noise import forked
from evidence.structure import Program, Site, drawn, site_of
from evidence.summed import assignments, discrete_sites
from evidence.support import bounds_of
from evidence.unsupported import UnsupportedPair

# At how many draws of the latents every datum is looked at.
LOOKS = 8

# How far apart numbers of the same datum may be, in the one row and in the other.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


def check_bounds(model: Program, batch: Batch, sites: list[Site]) -> None:
    """Raises UnsupportedPair, which names the site, if a support depends on another latent.

    One that does is not mapped from all of ℝⁿ by one map for all draws of a datum. The caller's
    random numbers stay as they are.

    Arguments:
        model: The model.
        batch: The data.
        sites: Its continuous latents, in a run on these data.
    """
    if not any(_bounds(site) for site in sites):
        return
    names = [site["name"] for site in sites]
    with forked(batch.device):
        rows = batch.repeat(LOOKS)
        trace = drawn(model, rows, names)
        if hidden := discrete_sites(trace):
            every, count = assignments(hidden, batch.size)
            rows = batch.repeat(count)
            trace = drawn(poutine.condition(model, data=every), rows, names)
    for site in sites:
        others = _bounds(site_of(trace, site["name"]))
        for bound, other in zip(_bounds(site), others, strict=True):
            if not _is_repeated(bound, other, rows.size):
                raise UnsupportedPair(
                    f"the support of latent site {site['name']!r} depends on another latent; use "
                    "iwae or elbo, or draw it from a fixed support and scale it"
                )


def check_observed(site: Site, x: Tensor) -> None:
    """Raises UnsupportedPair if a site observes other than `x` at some draws of the latents.

    Arguments:
        site: The observed site, in a run on a multiple of the data.
        x: What it observes in a run on the data.
    """
    if not _is_repeated(x, site["value"], len(site["value"])):
        raise UnsupportedPair(
            f"what site {site['name']!r} observes depends on a latent, and quadrature takes one "
            "value of it for all; observe x itself, or use iwae"
        )


def _bounds(site: Site) -> list[Tensor]:
    support = site["fn"].support
    return [] if support is None else bounds_of(support)


def _is_repeated(one: Tensor, other: Tensor, rows: int) -> bool:
    """Returns whether `other`, of `rows` rows if it has any, is `one` over and over."""
    if other.dim() and len(other) == rows and one.dim() == other.dim():
        other = other.unflatten(0, (-1, len(one)))
    one, other = torch.broadcast_tensors(one.double(), other.double())
    return torch.allclose(one, other, RELATIVE, ABSOLUTE, equal_nan=True)
