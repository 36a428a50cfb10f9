"""What posteriors made by flows share: z = f(ε; context), with ε from a simpler family."""

import itertools
from abc import ABC, abstractmethod

import pyro.distributions as dist
import pyro.distributions.transforms as T
import torch
from jaxtyping import Float
from torch import Tensor, nn

from guides.families.base import Family
from guides.families.mean_field import MeanField
from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus

# Pyro adds this to every slope of a spline.
SMALLEST_SLOPE = 1e-3


class FlowFamily(Family, ABC):
    """Conditional transforms of a base, with the order of the dimensions reversed between them.

    h holds the parameters of the base, and a context that every layer sees. log q of a draw is
    exact and costs no inversion, because Pyro's transforms remember what they mapped. In one
    dimension there is nothing to couple or to order: each layer is then a conditional spline
    (Dolatabadi et al. 2020).

    Arguments:
        latent_dim: the dimensions of z.
        layers: the number of transforms.
        width: the units of each transform's hidden layer, at least `latent_dim`.
        context: how many outputs of the encoder every layer sees.
        base: the family of ε; a mean-field normal if None.
    """

    reversal: Tensor

    def __init__(
        self, latent_dim: int, layers: int, width: int, context: int, base: Family | None = None
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers={layers}: must be at least 1")
        if width < latent_dim:
            raise ValueError(f"width={width}: must be at least latent_dim={latent_dim}")
        if context < 1:
            raise ValueError(f"context={context}: must be at least 1")
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
        """Makes one conditional transform of ℝ^latent."""

    @torch.no_grad()
    def start_as_identity(self) -> "FlowFamily":
        """Makes every layer (a coupling or a spline) the map z ↦ z; returns the family."""
        for layer in self.layers:
            last = layer.nn.layers[-1]  # type: ignore[union-attr, index]
            assert isinstance(last, nn.Linear)
            last.weight.zero_()
            last.bias.zero_()
            if isinstance(layer, T.ConditionalSpline):  # equal bins with slopes 1
                knots = slice(2 * layer.count_bins, 3 * layer.count_bins - 1)
                last.bias[knots] = inverse_softplus(1 - SMALLEST_SLOPE)
        return self

    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        own, context = h.tensor_split([self.base.num_parameters], dim=-1)
        layers = [layer.condition(context) for layer in self.layers]  # type: ignore[operator]
        reversed_between = [(layer, T.Permute(self.reversal)) for layer in layers]
        transforms = list(itertools.chain.from_iterable(reversed_between))[:-1]
        return FlowDistribution(self.base(own), transforms)


class FlowDistribution(dist.TransformedDistribution):
    """A transformed distribution whose log_prob broadcasts.

    Conditioned transforms accept only values with the whole batch shape.
    """

    def log_prob(self, value: Float[Tensor, " *value"]) -> Float[Tensor, " *batch"]:
        """Returns log q(z) in nats; z may lack batch dimensions, or have more, as several draws."""
        shape = torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape)
        # A value of full shape must not be copied: the transforms know their draws by identity.
        return super().log_prob(value if value.shape == shape else value.expand(shape))
