"""Synthetic data from a known factor-analysis model, x = W z + μ + ε.

log p(x) is known in closed form.
"""

import math

import torch
from torch.distributions import LowRankMultivariateNormal

from data.raw import RawData, RawSplit
from evidence.noise import forked

LARGEST = 200_000_000


def load(
    dimensions: int = 10,
    factors: int = 2,
    noise: float = 0.5,
    examples: int = 5000,
    draw_seed: int = 0,
) -> RawData:
    """Returns `examples` training data, and a fifth as many for validation and for test.

    They are `(N, dimensions)` float32: z ~ N(0, I) has `factors` dimensions, ε ~ N(0, noise²), and
    W and μ are drawn once from `draw_seed`. The marginal N(μ, WWᵀ + noise² I) is the returned
    `truth`.
    """
    for name, value in (("dimensions", dimensions), ("factors", factors), ("examples", examples)):
        if value < 1:
            raise ValueError(f"{name}={value}: must be at least 1")
    if dimensions * (examples + factors) + factors**2 > LARGEST:
        raise ValueError(
            f"dimensions={dimensions}: with examples={examples} and factors={factors} these are "
            f"more than {LARGEST:,} values"
        )
    if not (noise > 0 and 0 < noise * noise < math.inf):
        raise ValueError(f"noise={noise}: must be positive, and its square a number")
    fifth = max(examples // 5, 1)
    with forked(torch.device("cpu"), draw_seed):
        weight = torch.randn(dimensions, factors, dtype=torch.float64)
        mean = torch.randn(dimensions, dtype=torch.float64)
        truth = LowRankMultivariateNormal(mean, weight, torch.full_like(mean, noise**2))
        sizes = (examples, fifth, fifth)
        train, valid, test = (RawSplit(truth.sample((size,)).float()) for size in sizes)
    return RawData(train, valid, test, levels=None, truth=truth)
