"""p(x|z) = Π [σ((x_i + ½ − m_i)/s_i) − σ((x_i − ½ − m_i)/s_i)], for x in {0, …, levels − 1}."""

from typing import Any, ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions import constraints
from torch import Tensor

from errors import RequestError
from models.likelihoods.base import Likelihood, inverse_softplus, positive

START_SCALE = 0.1


class DiscretizedLogistic(Likelihood):
    """A logistic rounded to the nearest level, the first and the last bin open to ±∞ (Kingma et al. 2016, appendix).

    h holds the location and the raw scale, both in units of the whole range levels − 1.
    """

    spaces = ("bytes",)

    def __init__(self, shape: tuple[int, ...], levels: int | None) -> None:
        super().__init__(shape, parameters_per_dimension=2)
        if levels is None:
            raise RequestError(
                "likelihood=discretized_logistic: the data are not quantised (data.levels is null)"
            )
        self.levels = levels

    def forward(self, h: Float[Tensor, " N 2 *shape"]) -> dist.TorchDistribution:
        location, raw_scale = self.unbind(h)
        width = self.levels - 1
        return RoundedLogistic(width * location, width * positive(raw_scale), self.levels).to_event(
            len(self.shape)
        )

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " 2 *shape"]:
        return torch.stack(
            [mean / (self.levels - 1), torch.full_like(mean, inverse_softplus(START_SCALE))]
        )


class RoundedLogistic(dist.TorchDistribution):
    """The mass that a logistic of location `loc` and `scale` puts on each of the levels 0, …, levels − 1."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(
        self, loc: Tensor, scale: Tensor, levels: int, validate_args: bool | None = None
    ) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """Whole numbers 0, …, levels − 1, as floats."""
        return constraints.integer_interval(0, self.levels - 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "RoundedLogistic":
        return RoundedLogistic(
            self.loc.expand(batch_shape), self.scale.expand(batch_shape), self.levels, False
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the mass that rounds to each value, nats; of the first and the last level with the open tail."""
        if self._validate_args:
            self._validate_sample(value)
        above, below = (value + 0.5 - self.loc) / self.scale, (value - 0.5 - self.loc) / self.scale
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b−a)): no difference of nearly equal numbers, no constant to keep it off zero.
        left, right = F.logsigmoid(above), F.logsigmoid(-below)
        inner = left + right + torch.log(-torch.expm1(-1 / self.scale))
        return torch.where(value == 0, left, torch.where(value == self.levels - 1, right, inner))

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A logistic draw, rounded to the nearest level."""
        uniform = torch.rand(
            self._extended_shape(torch.Size(sample_shape)),
            dtype=self.loc.dtype,
            device=self.loc.device,
        )
        return (self.loc + self.scale * torch.logit(uniform)).round().clamp(0, self.levels - 1)

    @property
    def mean(self) -> Tensor:
        """E[x] = Σ_{k ≥ 1} P(x ≥ k)."""
        total = torch.zeros_like(self.loc)
        for k in range(1, self.levels):  # a stack of them would take `levels` times the memory
            total += torch.sigmoid((self.loc - k + 0.5) / self.scale)
        return total
