"""Counts of one unknown mean: z ~ Gamma(a, rate b), x_i|z ~ Poisson(z)."""

import math

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.distributions import Distribution
from models.joints.base import Tractable, vector


class GammaPoisson(Tractable):
    """`counts` counts of mean z; their sum is negative binomial, spread over them by chance."""

    def __init__(self, a: float, b: float, counts: int) -> None:
        super().__init__()
        self.a, self.b, self.counts = a, b, counts

    def prior(self) -> Distribution:
        return dist.Gamma(vector(self.a), vector(self.b)).to_event(1)

    def conditional(self, z: Float[Tensor, " N 1"]) -> Distribution:
        return dist.Poisson(z.expand(-1, self.counts)).to_event(1)

    def log_prob(self, x: Float[Tensor, " N counts"]) -> Float64[Tensor, " N"]:
        x = x.double()
        total = x.sum(1)
        prior = self.a * math.log(self.b) - math.lgamma(self.a)
        posterior = torch.lgamma(self.a + total) - (self.a + total) * math.log(self.b + self.counts)
        return prior + posterior - torch.lgamma(x + 1).sum(1)

    def posterior(self, x: Float[Tensor, " N counts"]) -> Distribution:
        total = x.double().sum(1, keepdim=True)
        return dist.Gamma(self.a + total, torch.full_like(total, self.b + self.counts)).to_event(1)
