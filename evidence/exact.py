"""The exact log p(x), where there is a way to have it."""

from typing import cast

import torch
from torch import Tensor

from evidence.batch import Batch, Data
from evidence.cost import Meter, Together
from evidence.enumeration import enumeration
from evidence.estimate import Estimate, Exactly, Quadrature
from evidence.noise import forked
from evidence.observed import observed_column
from evidence.offers import OffersExact, Tractable
from evidence.quadrature import UnboundedMass, quadrature
from evidence.structure import Latents, Program, latent_sites, traced
from evidence.unsupported import UnsupportedPair

# How many different values of what x is given (labels, say) are integrated one after the other.
MOST_CONDITIONS = 100


@torch.no_grad()
def exact(
    model: Program,
    guide: Program,
    x: Data,
    tolerance: float = 1e-3,
    meter: Meter | None = None,
) -> Estimate | None:
    """Returns log p(x) = log ∫ p(x, z) dz itself, by the first way that is open.

    1. In closed form, where the model offers one (a method `tractable`, see `evidence.offers`).
    2. By `enumeration`, where all latents are discrete.
    3. By `quadrature`, where the latents have one or two dimensions. Given (x, y, …), the data of
       every y are integrated apart, for up to 100 different y.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way; it says only where to look first.
        x: the data (N, *shape), or (x, y, …), which gives log p(x|y, …).
        tolerance: the change in nats under which quadrature stops refining its grid.
        meter: is told how long quadrature is going to take, before it begins, and how much of it is
            done (see `evidence.cost`). It may raise an error of its own to leave it.

    Returns:
        log p(x) for every datum, or None if no way is open. `details` says which way was taken;
        those of quadrature say how large its error is.

    Raises:
        ArithmeticError: if the integral of a datum fits in no box; it names the datum.
        UnsupportedPair: if quadrature is the way, and the pair has no per-datum weights.

    >>> from evidence.example import guide, model, x
    >>> found = exact(model, guide, x)
    >>> found.kind, found.details.method, round(float(found.per_datum[1]), 3)
    ('exact', 'quadrature', -1.266)
    """
    batch, joint = Batch.of(x), tractable(model)
    if joint is not None:
        return Estimate(joint.log_prob(batch.x), "exact", details=Exactly("closed form"))
    summed = enumeration(model, batch)
    if summed is not None:
        return summed
    if len(batch) == 1:
        return quadrature(model, guide, batch, tolerance, meter)
    return _condition_by_condition(model, guide, batch, tolerance, meter)


def tractable(model: Program) -> Tractable | None:
    """Returns the joint with closed forms that `model` offers, or None."""
    return model.tractable() if isinstance(model, OffersExact) else None


@torch.no_grad()
def posterior_draw(model: Program, x: Data) -> Latents | None:
    """Returns one exact draw of p(z|x) for every datum, if the model offers its posterior.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        x: the data (N, *shape), or (x, y, …).

    Returns:
        z by site name, (N, *event), for `eubo`, `iw_eubo` and `reverse_ais`; None if the model
        offers no closed form (a method `tractable`, see `evidence.offers`).

    Raises:
        UnsupportedPair: if the model offers a posterior of one site, and has another number.

    >>> from evidence.example import model, x
    >>> posterior_draw(model, x) is None   # a plain function offers nothing
    True
    """
    batch, joint = Batch.of(x), tractable(model)
    if joint is None:
        return None
    z = joint.posterior(batch.x).sample()
    with forked(batch.device):
        sites = latent_sites(traced(model, batch.first(1)))
    if len(sites) != 1:
        raise UnsupportedPair(
            f"the model offers the posterior of one latent site, and has {len(sites)}"
        )
    (site,) = sites
    return {site["name"]: z.to(site["value"].dtype)}


def _condition_by_condition(
    model: Program, guide: Program, batch: Batch, tolerance: float, meter: Meter | None
) -> Estimate | None:
    """Returns log p(x|y) by quadrature for each y in turn: given y, x depends on z alone."""
    which_is_x = observed_column(model, guide, batch)
    if which_is_x is None:
        return None
    x, others = batch[which_is_x], [*batch[:which_is_x], *batch[which_is_x + 1 :]]
    key = torch.cat([part.reshape(batch.size, -1).double() for part in others], 1)
    conditions, which, sizes = key.unique(dim=0, return_inverse=True, return_counts=True)
    if len(conditions) > MOST_CONDITIONS:
        return None
    meter = meter and Together(meter, sizes.tolist())
    values = x.new_empty(batch.size, dtype=torch.float64)
    details = []
    for number in range(len(conditions)):
        rows = torch.nonzero(which == number).flatten()
        given = [part[rows[:1]] for part in others]
        pair = [_conditioned(program, given, which_is_x) for program in (model, guide)]
        try:
            found = quadrature(pair[0], pair[1], x[rows], tolerance, meter)
        except UnboundedMass as error:
            raise UnboundedMass(int(rows[error.datum])) from error
        if found is None:
            return None
        values[rows] = found.per_datum
        details.append((len(rows), cast(Quadrature, found.details)))
    return Estimate(values, "exact", details=_merged(details))


def _conditioned(program: Program, given: list[Tensor], place: int) -> Program:
    """Returns x ↦ program(…, x, …), x in its `place` among the others, the one row of `given`."""

    def of_x(x: Tensor) -> object:
        columns = [part.expand(len(x), *part.shape[1:]) for part in given]
        return program(*columns[:place], x, *columns[place:])

    return of_x


def _merged(parts: list[tuple[int, Quadrature]]) -> Quadrature:
    """Returns what holds of all data, from the number of data and the details of each group."""
    total = sum(count for count, _ in parts)
    details = [one for _, one in parts]
    return Quadrature(
        tolerance=details[0].tolerance,
        error=sum(count * one.error for count, one in parts) / total,
        largest_error=max(one.largest_error for one in details),
        exceeding=sum(one.exceeding for one in details),
        outside=max(one.outside for one in details),
        conditions=len(parts),
    )
