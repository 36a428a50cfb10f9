"""p(x|z) = Π C(η_i) exp(η_i x_i)/(1 + exp η_i), for x in [0, 1] (Loaiza-Ganem & Cunningham 2019)."""

import math

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.likelihoods.base import Likelihood


class ContinuousBernoulli(Likelihood):
    """The Bernoulli formula with the normaliser that makes it a density on [0, 1]; h are the natural parameters η."""

    spaces = ("unit",)

    def forward(self, h: Float[Tensor, " N *shape"]) -> dist.TorchDistribution:
        return StableContinuousBernoulli(logits=h).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        # The mean is 1/(1 − e^−η) − 1/η. Six Newton steps from the tails' inverse: it is only where training starts.
        mean = mean.double().clamp(2e-3, 1 - 2e-3)
        eta = torch.where(mean < 0.5, -1 / mean, 1 / (1 - mean)) + 4 * (mean - 0.5).sign() * -1
        for _ in range(6):
            eta = eta - (_mean(eta) - mean) / _variance(eta)
        return eta.to(torch.get_default_dtype())

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return _mean(h)


class StableContinuousBernoulli(dist.ContinuousBernoulli):
    """torch's distribution, from η itself: torch clamps probabilities at 1e-7, beyond which (|η| > 16) its density does
    not integrate to one."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log-density, nats: ηx − log(1 + e^η) + log C(η)."""
        if self._validate_args:
            self._validate_sample(value)
        return self.logits * value - F.softplus(self.logits) + log_normaliser(self.logits)

    @property
    def mean(self) -> Tensor:
        """1/(1 − e^−η) − 1/η."""
        return _mean(self.logits)

    def icdf(self, value: Tensor) -> Tensor:
        """The value below which a share `value` of the mass is: what samples are made of."""
        # F(x) = expm1(ηx)/expm1(η), read from the end at which the exponential does not overflow.
        low, eta = (
            -self.logits.abs(),
            torch.where(self.logits.abs() < SMALL, SMALL, self.logits.abs()),
        )
        from_left = torch.where(self.logits < 0, value, 1 - value)
        x = -torch.log1p(from_left * torch.expm1(-eta)) / eta
        x = torch.where(low > -SMALL, from_left, x).clamp(0, 1)
        return torch.where(self.logits < 0, x, 1 - x)


SMALL = 1e-4
"""Below this |η| the distribution is uniform to float32's precision."""


def log_normaliser(eta: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """log C = log(η / tanh(η/2)), at least log 2; its series where the quotient's gradient would cancel."""
    small = eta.abs() < 0.1
    away = torch.where(small, 1.0, eta)
    series = math.log(2) + eta**2 / 12 - 7 * eta**4 / 1440
    return torch.where(small, series, torch.log(away / torch.tanh(away / 2)))


def _mean(eta: Tensor) -> Tensor:
    small = eta.abs() < 0.02
    away = torch.where(small, 1.0, eta)
    return torch.where(small, 0.5 + eta / 12, -1 / torch.expm1(-away) - 1 / away)


def _variance(eta: Tensor) -> Tensor:
    small = eta.abs() < 0.02
    away = torch.where(small, 1.0, eta)
    return torch.where(
        small, torch.full_like(eta, 1 / 12), away**-2 - 0.25 / torch.sinh(away / 2) ** 2
    )
