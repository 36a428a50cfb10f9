"""p(x|z) = Π Beta(x_i; α_i, β_i), for x in [0, 1]."""

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.likelihoods.base import Likelihood, inverse_softplus, positive

START_CONCENTRATION = 4.0


class Beta(Likelihood):
    """Independent Betas, α = mc and β = (1 − m)c with mean m and concentration c predicted by the decoder.

    The density is 0 or infinite at the ends. A float of exactly 0 or 1 stands for the values that round to it, so it is
    scored half a rounding unit inside (3e-8 in float32); a `note` of the run says so.
    """

    spaces = ("unit",)

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, parameters_per_dimension=2)

    def forward(self, h: Float[Tensor, " N 2 *shape"]) -> dist.TorchDistribution:
        logit, raw = self.unbind(h)
        concentration = positive(raw)
        alpha, beta = (torch.sigmoid(sign * logit) * concentration for sign in (1, -1))
        return RoundedBeta(alpha, beta).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " 2 *shape"]:
        return torch.stack(
            [
                torch.logit(mean, eps=1e-3),
                torch.full_like(mean, inverse_softplus(START_CONCENTRATION)),
            ]
        )

    def mean(self, h: Float[Tensor, " N 2 *shape"]) -> Float[Tensor, " N *shape"]:
        return torch.sigmoid(self.unbind(h)[0])

    @property
    def note(self) -> str:
        return "likelihood: beta scores a float of exactly 0 or 1 half a rounding unit inside, where its density is finite"


class RoundedBeta(dist.Beta):
    """A Beta whose density at the ends is that of the interval that rounds to them."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log-density, nats, of each dimension; of exactly 0 or 1 that half a rounding unit inside."""
        half_unit = torch.finfo(value.dtype).eps / 4
        inside = torch.where(
            value == 0, half_unit, torch.where(value == 1, 1 - 2 * half_unit, value)
        )
        # torch evaluates log(1 − x); half a unit below 1 is not a float, so the upper end is a whole one inside.
        return super().log_prob(inside)
