"""How stored values become points of a space: binarisation, dequantisation, standardisation.

An observation is a function of the stored values that may draw noise. The training split is drawn
for every batch; the validation and test splits are drawn once with a fixed seed, so that their
numbers repeat.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Num
from torch import Generator, Tensor

from data.bits import WHITE, bits, is_quick

# Stored values (batch, *shape) to x (batch, *shape); the noise comes from the generator, or from
# torch's own one if it is None.
Draw = Callable[[Tensor, Generator | None], Tensor]


@dataclass(frozen=True)
class Observation:
    """The map from stored values v to x in a space.

    `quantum` is |dx/dv|, the width in x of one stored level: 1 where x is v itself, and None where
    the data are not quantised. It turns a density of x into bits per dimension of the quantised
    data, and no scale below it can be learned from the data. `noise` says when `draw` draws:
    never, once for every split, or for every batch of the training split. `words` say what is done.
    """

    draw: Draw
    quantum: float | None
    noise: Literal["none", "fixed", "dynamic"] = "none"
    words: str = "values as they are stored"


def observe(
    space: str, levels: int | None, binarisation: str = "dynamic", values: Iterable[Tensor] = ()
) -> Observation:
    """Returns the observation that puts values into `space`.

    Arguments:
        space: the name of the space.
        levels: the number of grey levels of the values; None if they are no grey levels.
        binarisation: how grey levels become bits (see `View`).
        values: the training values in parts; `real` computes mean and standard deviation of them.

    >>> observe("unit", levels=4).draw(torch.tensor([3]), None) >= 0.75
    tensor([True])
    """
    if space == "binary":
        return _binary(levels, binarisation)
    if space in ("bytes", "counts"):
        return Observation(as_float, 1.0)
    if levels is None:
        return Observation(as_float, None)
    if space == "unit":
        words = f"grey levels 0..{levels - 1}, dequantised to (v + u)/{levels}, u ~ U[0, 1)"
        return Observation(_dequantise(levels), 1 / levels, "dynamic", words)
    assert space == "real"
    return _standardised(values)


def as_float(
    values: Num[Tensor, " *all"], generator: Generator | None = None
) -> Float[Tensor, " *all"]:
    """Returns the stored numbers themselves."""
    return values.to(torch.float32)


def _binary(levels: int | None, binarisation: str) -> Observation:
    top = 1.0 if levels is None else float(levels - 1)
    stored = "values in [0, 1]" if levels is None else f"grey levels 0..{levels - 1}"
    if binarisation == "threshold":
        words = f"{stored}, binarised to 1 above {top / 2:g}"
        return Observation(lambda v, g: (v.float() > top / 2).float(), 1.0, words=words)

    def draw(values: Tensor, generator: Generator | None) -> Tensor:
        if top == WHITE and generator is None and is_quick(values):
            return bits(values)
        # _uniform lies in [0, 1): black stays black and white stays white, with certainty.
        return (_uniform(values, generator) * top < values).float()

    return Observation(
        draw,
        1.0,
        "dynamic" if binarisation == "dynamic" else "fixed",
        f"{stored}, binarised by one draw each, 1 with probability v/{top:g}",
    )


def _uniform(values: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(values.shape, device=values.device, generator=generator)


def _dequantise(levels: int) -> Draw:
    """Returns x = (v + u)/levels with u ~ U[0,1).

    The log-density of x is, on average over u, a lower bound on the log-mass of v
    (Theis et al. 2016).
    """
    return lambda v, g: (v + _uniform(v, g)) / levels


def _standardised(values: Iterable[Tensor]) -> Observation:
    """Dequantises, then shifts and scales by one mean and one standard deviation.

    They are those of the training values, which are whole numbers: their sums are exact.
    """
    sums = [
        (part.numel(), int(part.double().sum()), int(part.double().square().sum()))
        for part in values
    ]
    count, total, squares = (sum(column) for column in zip(*sums, strict=True))
    mean, variance = total / count + 0.5, (squares - total * total / count) / count + 1 / 12
    sd = math.sqrt(variance)
    words = (
        f"grey levels, dequantised and standardised to (v + u − {mean:.4g})/{sd:.4g}, u ~ U[0, 1)"
    )
    return Observation(lambda v, g: (v + _uniform(v, g) - mean) / sd, 1 / sd, "dynamic", words)
