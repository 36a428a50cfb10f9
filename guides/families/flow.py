"""What posteriors made by flows share: z = f(ε; context), ε from a mean-field normal, both read from h."""

import itertools
import math
from abc import ABC, abstractmethod
from typing import Any

import pyro.distributions as dist
import pyro.distributions.transforms as T
import torch
from jaxtyping import Float
from torch import Tensor, nn

from errors import RequestError
from guides.families.base import Family
from guides.families.mean_field import MeanField

SMALLEST_SLOPE = 1e-3
"""Pyro adds it to every slope of a spline."""


class FlowFamily(Family, ABC):
    """`layers` conditional transforms of `base` (a mean-field normal), the order of the dimensions reversed between them.

    h holds the base's own parameters (μ and the raw σ) and a `context` that every layer sees. log q of a draw is exact and
    costs no inversion: Pyro's transforms remember what they mapped. In one dimension there is nothing to couple or to order:
    each layer is then a conditional spline (Dolatabadi et al. 2020).
    """

    reversal: Tensor

    def __init__(
        self, latent_dim: int, layers: int, width: int, context: int, base: Family | None = None
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("layers", layers, 1),
            ("width", width, latent_dim),
            ("context", context, 1),
        ):
            if value < least:
                raise RequestError(f"guide.{name}={value}: must be at least {least}")
        self.latent_dim = latent_dim
        self.base = MeanField(latent_dim) if base is None else base
        self.num_parameters = self.base.num_parameters + context
        self.layers = nn.ModuleList(
            self.layer(width, context)
            if latent_dim > 1
            else T.conditional_spline(1, context, hidden_dims=[width])
            for _ in range(layers)
        )
        self.register_buffer("reversal", torch.arange(latent_dim - 1, -1, -1), persistent=False)

    @abstractmethod
    def layer(self, width: int, context: int) -> nn.Module:
        """One conditional transform of ℝ^latent."""

    def start_as_identity(self) -> "FlowFamily":
        """Make every layer the map z ↦ z, whatever h is (coupling layers and splines)."""
        for layer in self.layers:
            last: Any = layer.nn.layers[-1]  # type: ignore[union-attr, index]
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            if isinstance(layer, T.ConditionalSpline):  # equal bins with slopes 1
                knots = slice(2 * layer.count_bins, 3 * layer.count_bins - 1)
                nn.init.constant_(last.bias[knots], math.log(math.expm1(1 - SMALLEST_SLOPE)))
        return self

    def forward(self, h: Float[Tensor, " N parameters"]) -> dist.TorchDistribution:
        """The base's distribution of the first numbers of h, through layers that see the others as their context."""
        own, context = h.tensor_split([self.base.num_parameters], dim=-1)
        layers = [(layer.condition(context), T.Permute(self.reversal)) for layer in self.layers]  # type: ignore[operator]
        transforms = list(itertools.chain.from_iterable(layers))[:-1]
        return FlowDistribution(self.base(own), transforms)


class FlowDistribution(dist.TransformedDistribution):
    """A transformed distribution whose log_prob broadcasts: conditioned transforms want their whole batch shape."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log q(z), nats, (*batch,): z may lack batch dimensions, or have more, as of several draws."""
        shape = torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape)
        # A value of full shape goes through as it is: the transforms know their own draws by identity.
        return super().log_prob(value if value.shape == shape else value.expand(shape))
