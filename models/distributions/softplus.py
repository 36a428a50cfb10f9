"""Positive parameters, written as the softplus of unbounded ones."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def positive(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Maps ℝ to (0, ∞) by softplus; exp has an unbounded slope, the usual source of NaN.

    Below −100 softplus is 0 in floating point, and the result is the smallest number that is not.
    """
    return F.softplus(raw).clamp(min=torch.finfo(raw.dtype).tiny)


def inverse_softplus(value: float) -> float:
    """Returns the number whose softplus is `value`, which must be positive.

    >>> round(inverse_softplus(1.0), 4)
    0.5413
    """
    return value + math.log(-math.expm1(-value))


def softplus_start(mean: Float[Tensor, " *shape"], least: float) -> Float[Tensor, " *shape"]:
    """Returns the h at which softplus(h) is `mean`, or `least` where the mean is smaller.

    `least` bounds only where training starts: the model can go below it.
    """
    mean = mean.clamp(min=least)
    return mean + torch.log(-torch.expm1(-mean))
