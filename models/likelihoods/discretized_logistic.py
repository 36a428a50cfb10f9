"""p(x|z) = Π [σ((x_i + ½ − m_i)/s_i) − σ((x_i − ½ − m_i)/s_i)], for x in {0, …, levels − 1}."""

from typing import ClassVar

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions import constraints
from torch import Tensor

from models.distributions import Distribution, InDouble, Shape
from models.distributions.softplus import inverse_softplus, positive
from models.likelihoods.base import Likelihood

START_SCALE = 0.1


class DiscretizedLogistic(Likelihood):
    """A logistic rounded to the nearest level (Kingma et al. 2016, appendix).

    The first and the last bin reach to ±∞. h holds the location and the raw scale, both in units of
    the whole range levels − 1.
    """

    spaces = ("bytes",)

    def __init__(self, shape: tuple[int, ...], levels: int | None) -> None:
        super().__init__(shape, parameters_per_dimension=2)
        if levels is None:
            raise ValueError("levels=null: must be a number of levels; the data are not quantised")
        self.levels = levels

    def forward(self, h: Float[Tensor, " N 2 *shape"]) -> Distribution:
        return InDouble(self.each, h, len(self.shape))

    def each(self, h: Float[Tensor, " N 2 *shape"]) -> Distribution:
        """Returns the rounded logistic of every dimension, in the precision of h."""
        location, raw_scale = self.unbind(h)
        width = self.levels - 1
        # Where softplus underflows to 0, the square of this still has an inverse.
        least = torch.finfo(h.dtype).tiny ** 0.4
        scale = (width * positive(raw_scale)).clamp(min=least)
        return RoundedLogistic(width * location, scale, self.levels)

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " 2 *shape"]:
        raw_scale = torch.full_like(mean, inverse_softplus(START_SCALE))
        return torch.stack([mean / (self.levels - 1), raw_scale])


class RoundedLogistic(dist.TorchDistribution):
    """The mass that a logistic of location `loc` and `scale` puts on 0, …, levels − 1."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(
        self,
        loc: Float[Tensor, " *batch"],
        scale: Float[Tensor, " *batch"],
        levels: int,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The whole numbers 0, …, levels − 1, as floats."""
        return constraints.integer_interval(0, self.levels - 1)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "RoundedLogistic":
        loc, scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return RoundedLogistic(loc, scale, self.levels, False)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns the log of the mass that rounds to each value, in nats.

        That of the first and of the last level includes the open tail.
        """
        if self._validate_args:
            self._validate_sample(value)
        above, below = (value + 0.5 - self.loc) / self.scale, (value - 0.5 - self.loc) / self.scale
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b−a)) avoids the difference of nearly equal numbers, and
        # needs no constant that keeps it off zero.
        left, right = F.logsigmoid(above), F.logsigmoid(-below)
        inner = left + right + torch.log(-torch.expm1(-1 / self.scale))
        return torch.where(value == 0, left, torch.where(value == self.levels - 1, right, inner))

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Float[Tensor, " *sample_and_batch"]:
        """Draws from the logistic, and rounds to the nearest level."""
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        return (self.loc + self.scale * torch.logit(uniform)).round().clamp(0, self.levels - 1)

    @property
    def mean(self) -> Float[Tensor, " *batch"]:
        """The mean is Σ_{k ≥ 1} P(x ≥ k)."""
        total = torch.zeros_like(self.loc)
        for k in range(1, self.levels):  # one tensor of all k would take `levels` times the memory
            total += torch.sigmoid((self.loc - k + 0.5) / self.scale)
        return total
