"""p(x|z) = Π Poisson(x_i; λ_i), for counts."""

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution
from models.distributions.softplus import positive, softplus_start
from models.likelihoods.base import Likelihood


class Poisson(Likelihood):
    """Independent counts with rates λ = softplus(h)."""

    spaces = ("counts",)

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        return dist.Poisson(positive(h)).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        return softplus_start(mean, least=1e-2)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return positive(h)
