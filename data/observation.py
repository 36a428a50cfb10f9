"""How stored values become points of a space: binarisation, dequantisation, standardisation.

Each observation is a function of the stored values that may draw noise. The training split is drawn anew for
every batch; validation and test are drawn once with a fixed seed, so that their numbers repeat.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from errors import RequestError

BINARISATIONS = ("dynamic", "fixed", "threshold")


class Draw(Protocol):
    """Stored values (batch, *shape) to x; the noise comes from `generator`, or else from torch's own."""

    def __call__(
        self, values: Tensor, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch *shape"]: ...


@dataclass(frozen=True)
class Observation:
    """The map from stored values v to x in a space.

    `quantum` is |dx/dv|: the width in x of one stored level (1 where x is v itself), which turns a density of x
    into bits per dimension of the quantised data, and below which no scale can be learned from the data.
    None where the data are not quantised. `redraw` says whether the training split is drawn anew each time, and `noisy`
    whether there is anything to draw.
    """

    draw: Draw
    quantum: float | None
    redraw: bool
    noisy: bool = True


def observe(
    space: str, levels: int | None, binarisation: str = "dynamic", values: Iterable[Tensor] = ()
) -> Observation:
    """The observation that puts values with `levels` grey levels (None: already floats) into `space`.

    `values` are the training values, in parts; `real` reads its mean and standard deviation from them.
    """
    if space == "binary":
        return _binary(levels, binarisation)
    if space in ("bytes", "counts"):
        return Observation(as_float, 1.0, redraw=False, noisy=False)
    if levels is None:
        return Observation(as_float, None, redraw=False, noisy=False)
    if space == "unit":
        return Observation(_dequantise(levels), 1 / levels, redraw=True)
    assert space == "real"
    return _standardised(values)


def as_float(values: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The stored numbers themselves."""
    return values.to(torch.float32)


def _binary(levels: int | None, binarisation: str) -> Observation:
    if binarisation not in BINARISATIONS:
        raise RequestError(
            f"data.binarisation={binarisation}: choose from {', '.join(BINARISATIONS)}"
        )
    top = 1.0 if levels is None else float(levels - 1)

    if binarisation == "threshold":
        return Observation(
            lambda v, g=None: (v.float() > top / 2).float(), 1.0, redraw=False, noisy=False
        )
    # _uniform lies in [0, 1): black stays black and white stays white, with certainty.
    return Observation(
        lambda v, g=None: (_uniform(v, g) * top < v).float(), 1.0, redraw=binarisation == "dynamic"
    )


def _uniform(values: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(values.shape, device=values.device, generator=generator)


def _dequantise(levels: int) -> Draw:
    """x = (v + u)/levels, u ~ U[0,1): the density of x is a lower bound on the mass of v (Theis et al. 2016)."""
    return lambda v, g=None: (v + _uniform(v, g)) / levels


def _standardised(values: Iterable[Tensor]) -> Observation:
    """Dequantised, then shifted and scaled by one mean and one standard deviation of the training values, which are whole
    numbers: their sums are exact."""
    sums = [
        (part.numel(), int(part.double().sum()), int(part.double().square().sum()))
        for part in values
    ]
    count, total, squares = (sum(column) for column in zip(*sums, strict=True))
    mean, variance = total / count + 0.5, (squares - total * total / count) / count + 1 / 12
    sd = math.sqrt(variance)
    return Observation(lambda v, g=None: (v + _uniform(v, g) - mean) / sd, 1 / sd, redraw=True)
