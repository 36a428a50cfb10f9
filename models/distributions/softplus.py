"""Positive parameters, written as the softplus of unbounded ones."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def positive(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Maps ℝ to (0, ∞) by softplus; exp has an unbounded slope, the usual source of NaN.

    Below −100 softplus is 0 in float32, and the result is the smallest number that is not.
    """
    # log(1 + eˣ) is x beyond the threshold, to float64's sixteen digits; float32 needs fewer.
    threshold = 40 if raw.dtype == torch.float64 else 20
    return F.softplus(raw, threshold=threshold).clamp(min=torch.finfo(raw.dtype).tiny)


def log_positive(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Returns log positive(raw), which is `raw` itself where `positive` would underflow."""
    far = raw < -40
    return torch.where(far, raw, positive(torch.where(far, 0.0, raw)).log())


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
