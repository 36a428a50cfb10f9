"""p(x|z) = Π N(x_i; h_i, σ²): the likelihood behind squared error."""

import math
from collections.abc import Iterable
from typing import Any

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from models.likelihoods.location_scale import START_SCALE, LocationScale


class Gaussian(LocationScale):
    """Independent normals with mean h and standard deviation σ = `scale`.

    The default σ = √½ makes −log p(x|z) the plain sum of squares plus (D/2) log π. Beside the scales of every
    LocationScale there is `optimal` (Rybkin et al. 2021, σ-VAE): while training, the maximum-likelihood σ of each batch;
    for evaluation, that of the training set, frozen by `calibrate` and kept in the state.
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
            self.register_buffer("optimal_scale", torch.tensor(START_SCALE))

    @property
    def needs_calibration(self) -> bool:
        return self.kind == "optimal"

    @property
    def couples_data(self) -> str | None:
        return (
            "likelihood.scale=optimal takes σ from the whole batch"
            if self.kind == "optimal"
            else None
        )

    def forward(self, h: Float[Tensor, " N *parameter_shape"]) -> dist.TorchDistribution:
        if self.kind != "optimal":
            return dist.Normal(*self.location_and_scale(h)).to_event(len(self.shape))
        if self.training:
            return BatchOptimalNormal(h, self.optimal_scale, self.floor).to_event(len(self.shape))
        return dist.Normal(h, self.optimal_scale).to_event(len(self.shape))

    @torch.no_grad()
    def calibrate(self, pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
        """σ² = the mean squared error over the training set and the guide's draws: the frozen model's own optimum."""
        errors = [((x - h).double().square().sum(), x.numel()) for h, x in pairs]
        mean_square = torch.stack([total for total, _ in errors]).sum() / sum(
            count for _, count in errors
        )
        self.optimal_scale.copy_(mean_square.sqrt().clamp(min=self.floor))


class BatchOptimalNormal(dist.Normal):
    """N(loc, σ²) whose log_prob of a batch x plugs in σ² = mean (x − loc)², the batch's own optimum.

    A training criterion, not a density of one datum: σ sees the other data of the batch. Draws use the frozen σ.
    """

    def __init__(
        self, loc: Tensor, scale: Tensor, floor: float, validate_args: bool | None = None
    ) -> None:
        self.floor = floor
        super().__init__(loc, scale, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: object = None) -> "BatchOptimalNormal":
        return BatchOptimalNormal(self.loc.expand(batch_shape), self.scale, self.floor)

    def log_prob(self, value: Tensor) -> Tensor:
        """log N(x; loc, σ²) of each dimension, nats, with the σ² of all of `value`."""
        scale = (value - self.loc).square().mean().clamp(min=self.floor**2).sqrt()
        return dist.Normal(self.loc, scale, validate_args=False).log_prob(value)
