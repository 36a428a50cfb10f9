"""p(x|z) = Π Bernoulli(x_i; σ(h_i)), for x in {0, 1}."""

import math

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution
from models.likelihoods.base import Likelihood


class Bernoulli(Likelihood):
    """Independent bits with logits h. On grey values the formula is no density (see `misfit`)."""

    spaces = ("binary",)

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        return dist.Bernoulli(logits=h).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        # A pixel that is always 0 would start at −∞; 1e-3 bounds the start only, not the model.
        return torch.logit(mean, eps=1e-3)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return torch.sigmoid(h)

    @classmethod
    def misfit(cls, space: str, dimensions: int) -> str | None:
        if space != "unit":
            return None
        return (
            "on grey values its formula is no density: the integral over [0, 1] is at most ½ per "
            f"dimension, so the missing normaliser is at least D·log 2 = "
            f"{dimensions * math.log(2):.0f} nats for these {dimensions} dimensions (543 for 784 "
            "pixels); continuous_bernoulli has it"
        )
