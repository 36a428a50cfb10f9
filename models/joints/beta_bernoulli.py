"""Coins of one unknown bias: z ~ Beta(a, b), x_i|z ~ Bernoulli(z)."""

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from models.distributions import Distribution
from models.joints.base import Tractable, vector


class BetaBernoulli(Tractable):
    """`coins` coins, of which s show 1: log p(x) = log B(a + s, b + coins − s) − log B(a, b)."""

    def __init__(self, a: float, b: float, coins: int) -> None:
        super().__init__()
        self.a, self.b, self.coins = a, b, coins

    def prior(self) -> Distribution:
        return dist.Beta(vector(self.a), vector(self.b)).to_event(1)

    def conditional(self, z: Float[Tensor, " N 1"]) -> Distribution:
        return dist.Bernoulli(probs=z.expand(-1, self.coins)).to_event(1)

    def log_prob(self, x: Float[Tensor, " N coins"]) -> Float64[Tensor, " N"]:
        ones = x.double().sum(1)
        posterior = log_beta(self.a + ones, self.b + self.coins - ones)
        return posterior - log_beta(vector(self.a), vector(self.b))

    def posterior(self, x: Float[Tensor, " N coins"]) -> Distribution:
        ones = x.double().sum(1, keepdim=True)
        return dist.Beta(self.a + ones, self.b + self.coins - ones).to_event(1)


def log_beta(a: Float64[Tensor, " N"], b: Float64[Tensor, " N"]) -> Float64[Tensor, " N"]:
    """Returns the logarithm of the beta function."""
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
