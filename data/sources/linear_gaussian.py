"""Synthetic data from a known factor-analysis model, x = W z + μ + ε: log p(x) is known in closed form."""

import torch
from torch.distributions import LowRankMultivariateNormal

from data.raw import RawData, RawSplit
from errors import RequestError

LARGEST = 200_000_000


def load(
    dimensions: int = 10,
    factors: int = 2,
    noise: float = 0.5,
    examples: int = 5000,
    draw_seed: int = 0,
) -> RawData:
    """`examples` training data, and a fifth as many for validation and for test, all `(N, dimensions)` float32.

    z ~ N(0, I) with `factors` dimensions, ε ~ N(0, noise²); W and μ are drawn once from `draw_seed`. The marginal
    N(μ, WWᵀ + noise² I) is the returned `truth`.
    """
    for name, value in (("dimensions", dimensions), ("factors", factors), ("examples", examples)):
        if value < 1:
            raise RequestError(f"data.{name}={value}: must be at least 1")
    if dimensions * (examples + factors) > LARGEST:
        raise RequestError(
            f"data.dimensions={dimensions}, data.examples={examples}: more than {LARGEST:,} values"
        )
    if noise <= 0:
        raise RequestError(f"data.noise={noise}: must be positive")
    sizes = (examples, max(examples // 5, 1), max(examples // 5, 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw_seed)
        weight = torch.randn(dimensions, factors, dtype=torch.float64)
        mean = torch.randn(dimensions, dtype=torch.float64)
        truth = LowRankMultivariateNormal(mean, weight, torch.full_like(mean, noise**2))
        train, valid, test = (RawSplit(truth.sample((size,)).float()) for size in sizes)
    return RawData(train, valid, test, levels=None, truth=truth)
