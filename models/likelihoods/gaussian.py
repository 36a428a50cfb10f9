"""p(x|z) = Π N(x_i; h_i, σ²): the likelihood behind squared error."""

import math
from collections.abc import Iterable

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution, Shape
from models.likelihoods.location_scale import START_SCALE, LocationScale


class Gaussian(LocationScale):
    """Independent normals with mean h and standard deviation σ = `scale`.

    The default σ = √½ makes −log p(x|z) the plain sum of squares plus (D/2) log π. Beside the
    scales of every `LocationScale` there is `optimal` (Rybkin et al. 2021, σ-VAE): in training, the
    maximum-likelihood σ of each batch; in evaluation, that of the training set, which `refit` sets.
    """

    optimal_scale: Tensor
    scales = (*LocationScale.scales, "optimal")

    def __init__(
        self,
        shape: tuple[int, ...],
        quantum: float | None = None,
        scale: float | str = math.sqrt(0.5),
    ) -> None:
        super().__init__(shape, quantum, scale)
        if self.kind == "optimal":
            self.register_buffer("optimal_scale", torch.tensor(START_SCALE, dtype=torch.float64))

    def in_units(self, sd: Float[Tensor, " *shape"]) -> None:
        super().in_units(sd)
        if self.kind == "optimal" and self.unit is not None:
            self.floor *= float(self.unit)
            self.optimal_scale *= self.unit

    def each(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        if self.kind != "optimal":
            return dist.Normal(*self.location_and_scale(h))
        scale = self.optimal_scale.to(h.dtype)
        return BatchOptimalNormal(h, scale, self.floor) if self.training else dist.Normal(h, scale)

    @property
    def couples_data(self) -> str | None:
        return "scale=optimal takes σ from the whole batch" if self.kind == "optimal" else None

    @property
    def needs_refit(self) -> bool:
        return self.kind == "optimal"

    @torch.no_grad()
    def refit(
        self, pairs: Iterable[tuple[Float[Tensor, " N *shape"], Float[Tensor, " N *shape"]]]
    ) -> None:
        """Sets σ² to the mean squared error over `pairs`, which is the frozen model's optimum."""
        errors = [((x - h).double().square().sum(), x.numel()) for h, x in pairs]
        total = torch.stack([squares for squares, _ in errors]).sum()
        mean_square = total / sum(count for _, count in errors)
        self.optimal_scale.copy_(mean_square.sqrt().clamp(min=self.floor))


class BatchOptimalNormal(dist.Normal):
    """N(loc, σ²) whose log_prob of a batch x uses σ² = mean (x − loc)², the batch's own optimum.

    It is a training criterion and not a density of one datum, because σ depends on the other data
    of the batch. Draws use the frozen `scale`.
    """

    def __init__(
        self,
        loc: Float[Tensor, " *batch"],
        scale: Float[Tensor, " *scale"],
        floor: float,
        validate_args: bool | None = None,
    ) -> None:
        self.floor = floor
        super().__init__(loc, scale, validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: object = None) -> "BatchOptimalNormal":
        return BatchOptimalNormal(self.loc.expand(batch_shape), self.scale, self.floor)

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns log N(x; loc, σ²) of each dimension in nats, with the σ² of all of `value`."""
        scale = (value - self.loc).square().mean().clamp(min=self.floor**2).sqrt()
        return dist.Normal(self.loc, scale, validate_args=False).log_prob(value)
