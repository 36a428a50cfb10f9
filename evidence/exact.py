"""The exact log p(x), where there is a way to have it."""

import torch
from torch import Tensor

from evidence.enumeration import enumeration
from evidence.estimate import Estimate, Exactly, Quadrature
from evidence.quadrature import quadrature
from evidence.upper import Latents
from evidence.weights import Batch, Program, as_batch
from models import Generative
from models.joints import Tractable

MOST_CONDITIONS = 100
"""Different values of what x is given (labels, say) that are integrated one after the other."""


@torch.no_grad()
def exact(model: Program, guide: Program, x: Batch, tolerance: float = 1e-3) -> Estimate | None:
    """log p(x) for every datum: in closed form for tractable joints and for what is a factor analysis in disguise, by
    enumeration where all latents are discrete, by quadrature for latents of one or two dimensions; None for other models.

    Given (x, y, …) it is log p(x|y, …). `details["method"]` says which way was taken; quadrature adds its measured `error`
    in nats (see `evidence.quadrature`), and raises ArithmeticError where the integral does not fit in any box.
    """
    joint = tractable(model)
    if joint is not None:
        return Estimate(joint.log_prob(as_batch(x)[0]), "exact", details=Exactly("closed form"))
    batch = as_batch(x)
    summed = enumeration(model, batch)
    if summed is not None:
        return summed
    return (
        quadrature(model, guide, batch, tolerance)
        if len(batch) == 1
        else _given(model, guide, batch, tolerance)
    )


def tractable(model: Program) -> Tractable | None:
    """The joint with a closed form that `model` is, be it in disguise."""
    return model.tractable() if isinstance(model, Tractable | Generative) else None


@torch.no_grad()
def posterior_draw(model: Program, x: Batch) -> Latents | None:
    """One exact draw of p(z|x) for every datum, by site name; None where there is none to be had."""
    joint = tractable(model)
    if joint is None:
        return None
    z = joint.posterior(as_batch(x)[0]).sample()
    parameters = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    return {"z": z.to(next(parameters, z).dtype)}


def _given(
    model: Program, guide: Program, batch: tuple[Tensor, ...], tolerance: float
) -> Estimate | None:
    """log p(x|y) by quadrature for the data of every y in turn: given y, x depends on z alone."""
    data, *rest = batch
    key = torch.cat([part.reshape(len(data), -1).double() for part in rest], 1)
    conditions, which = key.unique(dim=0, return_inverse=True)
    if len(conditions) > MOST_CONDITIONS:
        return None
    values = torch.empty(len(data), dtype=torch.float64, device=data.device)
    details: list[tuple[int, Quadrature]] = []
    for number in range(len(conditions)):
        rows = torch.nonzero(which == number).flatten()
        given = [part[rows[:1]] for part in rest]
        found = quadrature(
            _conditioned(model, given), _conditioned(guide, given), data[rows], tolerance
        )
        if found is None:
            return None
        values[rows] = found.per_datum
        assert isinstance(found.details, Quadrature)
        details.append((len(rows), found.details))
    return Estimate(values, "exact", details=_merged(details))


def _conditioned(program: Program, given: list[Tensor]) -> Program:
    """x ↦ program(x, y), y being the one row of `given`."""
    return lambda x: program(x, *(part.expand(len(x), *part.shape[1:]) for part in given))


def _merged(details: list[tuple[int, Quadrature]]) -> Quadrature:
    """What holds of all groups, from (number of data, details) of each."""
    total = sum(count for count, _ in details)
    return Quadrature(
        tolerance=details[0][1].tolerance,
        error=sum(count * found.error for count, found in details) / total,
        largest_error=max(found.largest_error for _, found in details),
        exceeding=sum(found.exceeding for _, found in details),
        outside=max(found.outside for _, found in details),
        conditions=len(details),
    )
