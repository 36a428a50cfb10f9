"""p(x|z) = Π Beta(x_i; α_i, β_i), for x in [0, 1]."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus, positive
from models.likelihoods.base import Likelihood

START_CONCENTRATION = 4.0


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
        logit, raw = self.unbind(h)
        concentration = positive(raw)
        alpha, beta = (torch.sigmoid(sign * logit) * concentration for sign in (1, -1))
        return RoundedBeta(alpha, beta).to_event(len(self.shape))

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
    """A Beta whose density at each end is that of the interval that rounds to the end."""

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log-density of every dimension, in nats; 0 and 1 are moved inside."""
        half_unit = torch.finfo(value.dtype).eps / 4
        # torch evaluates log(1 − x), and 1 minus half a unit is no float: the upper end moves by
        # a whole unit.
        upper = torch.where(value == 1, 1 - 2 * half_unit, value)
        return super().log_prob(torch.where(value == 0, half_unit, upper))
