"""p(x|z) = Π Beta(x_i; α_i, β_i), for x in [0, 1]."""

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution, InDouble, Shape
from models.distributions.softplus import inverse_softplus, log_positive, positive
from models.likelihoods.base import Likelihood

START_CONCENTRATION = 4.0

# Half the distance of 1 to the next smaller float32, the precision of data.
HALF_UNIT = torch.finfo(torch.float32).eps / 4


class Beta(Likelihood):
    """Independent Betas, whose means m and concentrations c the decoder predicts.

    Their parameters are α = mc and β = (1 − m)c. At the ends the density is 0 or infinite; a float
    of exactly 0 or 1 stands for the values that round to it, so it is scored half a rounding unit
    inside (3e-8 in float32), and a `note` says so.
    """

    spaces = ("unit",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, parameters_per_dimension=2)

    def forward(self, h: Float[Tensor, " N 2 *shape"]) -> Distribution:
        return InDouble(self.each, h, len(self.shape))

    def each(self, h: Float[Tensor, " N 2 *shape"]) -> Distribution:
        """Returns the Beta of every dimension, in the precision of h."""
        logit, raw = self.unbind(h)
        return RoundedBeta(logit, raw)

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " 2 *shape"]:
        raw = torch.full_like(mean, inverse_softplus(START_CONCENTRATION))
        return torch.stack([torch.logit(mean, eps=1e-3), raw])

    def mean(self, h: Float[Tensor, " N 2 *shape"]) -> Float[Tensor, " N *shape"]:
        return torch.sigmoid(self.unbind(h)[0])

    @property
    def note(self) -> str:
        return (
            "the beta likelihood scores a float of exactly 0 or 1 half a rounding unit inside, "
            "where its density is finite"
        )


class RoundedBeta(dist.Beta):
    """A Beta whose density at each end is that of the interval that rounds to the end.

    Its parameters are α = σ(logit) c and β = σ(−logit) c with c = softplus(raw). The density is
    computed from their logarithms, which stay finite where they underflow.
    """

    def __init__(
        self,
        logit: Float[Tensor, " *batch"],
        raw: Float[Tensor, " *batch"],
        validate_args: bool | None = None,
    ) -> None:
        self.logit, self.raw = torch.broadcast_tensors(logit, raw)
        tiny = torch.finfo(logit.dtype).tiny
        alpha, beta = (
            (torch.sigmoid(end * self.logit) * positive(self.raw)).clamp(min=tiny)
            for end in (1, -1)
        )
        super().__init__(alpha, beta, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "RoundedBeta":
        return RoundedBeta(self.logit.expand(batch_shape), self.raw.expand(batch_shape), False)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-density of every dimension, in nats; 0 and 1 are moved inside."""
        if self._validate_args:
            self._validate_sample(value)
        x = torch.where(value == 0, HALF_UNIT, torch.where(value == 1, 1 - HALF_UNIT, value))
        rest = torch.where(value == 1, HALF_UNIT, 1 - x)
        log_sum = log_positive(self.raw)
        log_alpha, log_beta = (F.logsigmoid(end * self.logit) + log_sum for end in (1, -1))
        return (
            (log_alpha.exp() - 1) * x.log()
            + (log_beta.exp() - 1) * rest.log()
            + log_gamma(log_sum)
            - log_gamma(log_alpha)
            - log_gamma(log_beta)
        )


def log_gamma(log_x: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Returns log Γ(x) from log x, by Γ(x) = Γ(1 + x)/x: finite where x underflows."""
    return torch.lgamma(1 + log_x.exp()) - log_x
