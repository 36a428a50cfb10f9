"""p(x|z) at many z for many x: one matrix product where p(x|z) is an exponential family in x."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor
from torch.distributions import Distribution, Independent

from evidence.offers import OffersNatural
from evidence.precision import doubled, log_prob

Table = Callable[[Tensor], Tensor]

# What the rounding of a sum may change a log-density by, in nats.
ERROR = 1e-3


@dataclass(frozen=True)
class Linear:
    """log p(x|z) = T(x)·η(z) − A(z) + b(x), an exponential family in x.

    `statistics` is T, x (N, D) ↦ (N, S); `coefficients` is η, in whose precision products are
    taken; `normalizer` is A, and `base` is b, x ↦ (N,). `itself` is the distribution in float64,
    whose log-density is taken one datum at a time where these terms are too large for their sum.
    """

    statistics: Callable[[Tensor], Tensor]
    coefficients: Float[Tensor, " points S"]
    normalizer: Float64[Tensor, " points"]
    base: Callable[[Tensor], Tensor]
    itself: Distribution

    def __call__(self, x: Shaped[Tensor, " N *shape"]) -> Float64[Tensor, " N points"]:
        numbers = flat(x).double()
        statistics, base = self.statistics(numbers), self.base(numbers)
        size = statistics.abs() @ self.coefficients.abs().amax(0).double()
        size = size + base.abs() + self.normalizer.abs().max()
        if not bool((size * torch.finfo(torch.float64).eps < ERROR).all()):  # or it is NaN
            return one_by_one(self.itself, x)
        products = statistics.to(self.coefficients.dtype) @ self.coefficients.T
        return products.double() + (base.unsqueeze(1) - self.normalizer)


def table(likelihood: Distribution) -> Table:
    """Returns the function x (N, *shape) ↦ log p(x|z) (N, points) float64.

    `likelihood` is p(x|z) at some points: batch_shape (points,), event_shape that of one datum.
    """
    base = likelihood
    while isinstance(base, Independent):
        base = base.base_dist
    if likelihood.batch_shape == base.batch_shape[:1] and type(base) in FAMILIES:
        return FAMILIES[type(base)](base)
    if likelihood.batch_shape == base.batch_shape[:1] and isinstance(base, OffersNatural):
        eta, normalizer = (flat(part) for part in base.natural)
        shape = base.batch_shape[1:]
        return Linear(
            _identity,
            eta,
            normalizer.sum(1),
            lambda x: flat(base.log_base(x.reshape(-1, *shape))).sum(1),
            likelihood,
        )
    return partial(one_by_one, likelihood)


def one_by_one(
    likelihood: Distribution, x: Shaped[Tensor, " N *shape"]
) -> Float64[Tensor, " N points"]:
    """Returns log p(x|z) as the distribution computes it; its dimensions may be undeclared."""
    terms = (log_prob(likelihood, datum, is_data=True).double() for datum in x)
    return torch.stack([flat(term).sum(1) for term in terms])


def flat(value: Shaped[Tensor, " rows *shape"]) -> Shaped[Tensor, " rows D"]:
    """Returns the numbers of every row side by side; a row of shape () has one."""
    return value.reshape(len(value), -1)


def summed_softplus(x: Float[Tensor, " points D"]) -> Float64[Tensor, " points"]:
    """Returns Σ_d log(1 + exp x_d) with one logarithm for 1,000 terms.

    A product of so many factors from (1, 2] is still a float64.
    """
    factors = 1 + torch.exp(-x.abs()).double()
    logs = torch.stack([block.prod(1) for block in factors.split(1000, 1)]).log().sum(0)
    return logs + x.clamp(min=0).sum(1, dtype=torch.float64)


def _nothing(x: Tensor) -> Tensor:
    return x.new_zeros(len(x))


def _identity(x: Tensor) -> Tensor:
    return x


def _bernoulli(d: dist.Bernoulli) -> Linear:
    # x is 0 or 1: each product is exact in whatever precision the decoder has, but not their sum.
    logits = flat(d.logits)
    if (1 + logits.abs()).sum(1).max() * torch.finfo(logits.dtype).eps > ERROR:
        logits = logits.double()
    itself = dist.Bernoulli(logits=d.logits.double(), validate_args=False)
    return Linear(_identity, logits, summed_softplus(logits), _nothing, itself)


def _continuous_bernoulli(d: dist.ContinuousBernoulli) -> Linear:
    itself = doubled(d)
    normalizer = -flat(itself.log_prob(torch.zeros_like(itself.logits))).sum(1)  # at x = 0
    return Linear(_identity, flat(itself.logits), normalizer, _nothing, itself)


def _poisson(d: dist.Poisson) -> Linear:
    rate = flat(d.rate).double()
    itself = dist.Poisson(d.rate.double(), validate_args=False)
    return Linear(_identity, rate.log(), rate.sum(1), lambda x: -torch.lgamma(x + 1).sum(1), itself)


def _normal(d: dist.Normal) -> Linear:
    loc, scale = flat(d.loc).double(), flat(d.scale).double()
    itself = dist.Normal(d.loc.double(), d.scale.double(), validate_args=False)
    precision = scale.square().reciprocal()
    normalizer = (0.5 * loc.square() * precision + scale.log() + 0.5 * math.log(2 * math.pi)).sum(1)
    if bool((scale == scale[:1]).all()):  # one σ for all z: x² is the same at every point
        return Linear(
            _identity,
            loc * precision,
            normalizer,
            lambda x: -0.5 * (x.square() @ precision[0]),
            itself,
        )
    return Linear(
        lambda x: torch.cat([x, x.square()], 1),
        torch.cat([loc * precision, -0.5 * precision], 1),
        normalizer,
        _nothing,
        itself,
    )


# By exact class: a subclass may well have another density.
FAMILIES: dict[type[Distribution], Callable[..., Linear]] = {
    dist.Bernoulli: _bernoulli,
    dist.ContinuousBernoulli: _continuous_bernoulli,
    dist.Normal: _normal,
    dist.Poisson: _poisson,
}
