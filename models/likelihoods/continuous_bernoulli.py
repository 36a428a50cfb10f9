"""p(x|z) = Π C(η_i) exp(η_i x_i)/(1 + exp η_i), x in [0, 1] (Loaiza-Ganem & Cunningham 2019)."""

import math

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution, InDouble
from models.likelihoods.base import Likelihood

# Where |η| is below this, the distribution is uniform to float32's precision.
SMALL = 1e-4


class ContinuousBernoulli(Likelihood):
    """The Bernoulli formula with its normaliser on [0, 1]; h are the natural parameters η."""

    spaces = ("unit",)

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        return InDouble(self.each, h, len(self.shape))

    def each(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns the continuous Bernoulli of every dimension, in the precision of h."""
        return StableContinuousBernoulli(logits=h)

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        # Six Newton steps from the inverse of the tails are exact enough for where training starts.
        mean = mean.double().clamp(2e-3, 1 - 2e-3)
        eta = torch.where(mean < 0.5, -1 / mean, 1 / (1 - mean)) + 4 * (mean - 0.5).sign() * -1
        for _ in range(6):
            eta = eta - (_mean(eta) - mean) / _variance(eta)
        return eta.to(torch.get_default_dtype())

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return _mean(h)


class StableContinuousBernoulli(dist.ContinuousBernoulli):
    """torch's distribution, computed from η itself.

    torch clamps probabilities at 1e-7; beyond that, where |η| > 16, its density does not integrate
    to one.
    """

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-density in nats: ηx − log(1 + e^η) + log C(η).

        With the distance d of x to the likelier end, ηx − log(1 + e^η) = −|η| d − log(1 + e^−|η|).
        """
        if self._validate_args:
            self._validate_sample(value)
        size, distance = self.logits.abs(), torch.where(self.logits < 0, value, 1 - value)
        return log_normaliser(self.logits) - size * distance - torch.log1p(torch.exp(-size))

    @property
    def natural(self) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
        """η and A = log(1 + e^η) − log C(η) of log p(x) = xη − A."""
        return self.logits, F.softplus(self.logits, threshold=40) - log_normaliser(self.logits)

    def log_base(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *value"]:
        return torch.zeros_like(value)

    @property
    def mean(self) -> Float[Tensor, " *batch"]:
        """The mean is 1/(1 − e^−η) − 1/η."""
        return _mean(self.logits)

    def icdf(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the x below which a share `value` of the mass lies; samples are made of it."""
        # F(x) = expm1(ηx)/expm1(η), read from the end at which the exponential does not overflow.
        size = self.logits.abs()
        eta = torch.where(size < SMALL, SMALL, size)
        from_left = torch.where(self.logits < 0, value, 1 - value)
        x = -torch.log1p(from_left * torch.expm1(-eta)) / eta
        x = torch.where(size < SMALL, from_left, x).clamp(0, 1)
        return torch.where(self.logits < 0, x, 1 - x)


def log_normaliser(eta: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Returns log C = log(η / tanh(η/2)), which is at least log 2.

    Near 0 it is computed by its series, because the quotient's gradient cancels there.
    """
    small = eta.abs() < 0.1
    away = torch.where(small, 1.0, eta)
    series = math.log(2) + eta**2 / 12 - 7 * eta**4 / 1440
    return torch.where(small, series, torch.log(away / torch.tanh(away / 2)))


def _mean(eta: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    small = eta.abs() < 0.02
    away = torch.where(small, 1.0, eta)
    return torch.where(small, 0.5 + eta / 12, -1 / torch.expm1(-away) - 1 / away)


def _variance(eta: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    small = eta.abs() < 0.02
    away = torch.where(small, 1.0, eta)
    exact = away**-2 - 0.25 / torch.sinh(away / 2) ** 2
    return torch.where(small, torch.full_like(eta, 1 / 12), exact)
