"""p(x|z) = Π NB(x_i; mean μ_i, dispersion r_i): counts of variance μ + μ²/r, above a Poisson's."""

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution, InDouble, Shape
from models.distributions.softplus import (
    inverse_softplus,
    log_positive,
    positive,
    softplus_start,
)
from models.likelihoods.base import Likelihood


class NegativeBinomial(Likelihood):
    """Independent counts with means μ = softplus(h), and one learned r per dimension for all z."""

    spaces = ("counts",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.raw_dispersion = nn.Parameter(torch.full(self.shape, inverse_softplus(2.0)))

    def forward(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        return InDouble(self.each, h, len(self.shape))

    def each(self, h: Float[Tensor, " N *shape"]) -> Distribution:
        """Returns the counts of every dimension, in the precision of h."""
        raw = self.raw_dispersion.to(h.dtype)
        return DispersedCounts(raw, log_positive(h) - log_positive(raw))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
        return softplus_start(mean, least=1e-2)

    def mean(self, h: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return positive(h)


class DispersedCounts(dist.NegativeBinomial):
    """A negative binomial with r = softplus(raw), the same for the whole batch."""

    def __init__(
        self,
        raw: Float[Tensor, " *shape"],
        logits: Float[Tensor, " *batch"],
        validate_args: bool | None = None,
    ) -> None:
        self.raw, self.r = raw, positive(raw)
        least = torch.finfo(raw.dtype).tiny  # a count of 0 failures is another distribution
        super().__init__(self.r.clamp(min=least), logits=logits, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "DispersedCounts":
        return DispersedCounts(self.raw, self.logits.expand(batch_shape), False)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-mass in nats: xη − A + b(x)."""
        if self._validate_args:
            self._validate_sample(value)
        eta, normalizer = self.natural
        return value * eta - normalizer + self.log_base(value)

    @property
    def natural(self) -> tuple[Float[Tensor, " *batch"], Float[Tensor, " *batch"]]:
        """η = log(μ/(μ + r)) and A = r log(1 + μ/r)."""
        return F.logsigmoid(self.logits), -self.r * F.logsigmoid(-self.logits)

    def log_base(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *value"]:
        """Returns b(x) = log Γ(r + x)/(Γ(r) x!), where Γ(r) = Γ(1 + r)/r may overflow."""
        x = value.clamp(min=1)  # b(0) is 0, and Γ(r + 0) may overflow, too
        ways = torch.lgamma(self.r + x) - torch.lgamma(1 + self.r) - torch.lgamma(x + 1)
        return torch.where(value == 0, 0.0, ways + log_positive(self.raw))
