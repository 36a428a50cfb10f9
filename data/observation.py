"""How stored values become points of a space: binarisation, dequantisation, standardisation.

Each observation is a function of the stored values that may draw noise. The training split is drawn anew for
every batch; validation and test are drawn once with a fixed seed, so that their numbers repeat.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from errors import RequestError

BINARISATIONS = ("dynamic", "fixed", "threshold")
Draw = Callable[[Tensor], Float[Tensor, "batch *shape"]]


@dataclass(frozen=True)
class Observation:
    """The map from stored values v to x in a space.

    `quantum` is |dx/dv|: the width in x of one stored level (1 where x is v itself), which turns a density of x
    into bits per dimension of the quantised data, and below which no scale can be learned from the data.
    None where the data are not quantised. `redraw` says whether the training split is drawn anew each time.
    """

    draw: Draw
    quantum: float | None
    redraw: bool


def observe(space: str, levels: int | None, binarisation: str = "dynamic", values: Tensor | None = None) -> Observation:
    """The observation that puts values with `levels` grey levels (None: already floats) into `space`.

    `values` are the training values; `real` reads its mean and standard deviation from them.
    """
    if space == "binary":
        return _binary(levels, binarisation)
    if space in ("bytes", "counts"):
        return Observation(_as_float, 1.0, redraw=False)
    if levels is None:
        return Observation(_as_float, None, redraw=False)
    if space == "unit":
        return Observation(_dequantise(levels), 1 / levels, redraw=True)
    assert space == "real" and values is not None
    return _standardised(levels, values)


def _as_float(values: Tensor) -> Tensor:
    return values.to(torch.float32)


def _binary(levels: int | None, binarisation: str) -> Observation:
    if binarisation not in BINARISATIONS:
        raise RequestError(f"data.binarisation={binarisation}: choose from {', '.join(BINARISATIONS)}")
    top = 1.0 if levels is None else float(levels - 1)

    if binarisation == "threshold":
        return Observation(lambda v: (v.float() > top / 2).float(), 1.0, redraw=False)
    # rand() lies in [0, 1): black stays black and white stays white, with certainty.
    return Observation(
        lambda v: (torch.rand(v.shape, device=v.device) * top < v).float(), 1.0, redraw=binarisation == "dynamic"
    )


def _dequantise(levels: int) -> Draw:
    """x = (v + u)/levels, u ~ U[0,1): the density of x is a lower bound on the mass of v (Theis et al. 2016)."""
    return lambda v: (v + torch.rand(v.shape, device=v.device)) / levels


def _standardised(levels: int, values: Tensor) -> Observation:
    """Dequantised, then shifted and scaled by one mean and one standard deviation of the training values."""
    total = values.to(torch.float64)
    mean, variance = float(total.mean()) + 0.5, float(total.var(correction=0)) + 1 / 12
    sd = math.sqrt(variance)
    return Observation(lambda v: (v + torch.rand(v.shape, device=v.device) - mean) / sd, 1 / sd, redraw=True)
