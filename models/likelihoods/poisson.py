"""p(x|z) = Π Poisson(x_i; λ_i), for counts."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution, InDouble, Shape
from models.distributions.softplus import log_positive, positive, softplus_start
from models.likelihoods.base import Likelihood


class Poisson(Likelihood):
    """Independent counts with rates λ = softplus(h)."""

    spaces = ("counts",)

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        return InDouble(SoftplusPoisson, h, len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        return softplus_start(mean, least=1e-2)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return positive(h)


class SoftplusPoisson(dist.Poisson):
    """The Poisson of rate softplus(h), whose log-rate stays finite where the rate underflows."""

    def __init__(self, h: Float[Tensor, " *batch"], validate_args: bool | None = None) -> None:
        self.h, self.log_rate = h, log_positive(h)
        super().__init__(positive(h), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "SoftplusPoisson":
        return SoftplusPoisson(self.h.expand(batch_shape), False)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-mass in nats: x log λ − λ − log x!."""
        if self._validate_args:
            self._validate_sample(value)
        return value * self.log_rate - self.rate + self.log_base(value)

    @property
    def natural(self) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
        """η = log λ and A = λ of log p(x) = xη − A + b(x)."""
        return self.log_rate, self.rate

    def log_base(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *value"]:
        return -torch.lgamma(value + 1)
