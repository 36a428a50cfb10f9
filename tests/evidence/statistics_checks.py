"""Statistical checks that state their error probability and need no tuned tolerance."""

import math

import torch
from torch import Tensor

ALPHA = 1e-6
"""The probability of a false alarm of each check on correct code."""


def e_value_accepts(log_ratio: Tensor) -> bool:
    """Whether Σ log(p̂ᵢ/pᵢ) stays below log 1/α, for independent unbiased p̂ᵢ of pᵢ (…, batch).

    Their product has mean 1, so Markov's inequality bounds the probability of more. Neither
    normality nor a finite variance is needed.
    """
    return float(log_ratio.double().sum()) < math.log(1 / ALPHA)


def is_unbiased(log_ratio: Tensor) -> bool:
    """Whether n independent p̂/p of finite variance have mean 1, two-sided by the normal limit."""
    ratio = log_ratio.double().flatten().exp()
    error = float(ratio.std()) / math.sqrt(len(ratio))
    return abs(float(ratio.mean()) - 1) < 4.9 * error + 1e-9


def is_below(lower: Tensor, upper: Tensor) -> bool:
    """Whether the paired mean of `lower` is not above `upper`'s, one-sided by the normal limit."""
    difference = (lower - upper).double().flatten()
    return (
        float(difference.mean()) < 4.8 * float(difference.std()) / math.sqrt(len(difference)) + 1e-9
    )


def tightens_pathwise(log_weights: Tensor) -> bool:
    """Whether on every draw the log-mean of K weights is at least the average of K − 1 of them."""
    count = len(log_weights)
    whole = log_weights.logsumexp(0) - math.log(count)
    rest = torch.stack(
        [torch.cat([log_weights[:k], log_weights[k + 1 :]]).logsumexp(0) for k in range(count)]
    )
    return bool((whole >= (rest - math.log(count - 1)).mean(0) - 1e-9).all())
