"""Mixtures Σ_k π_k p_k(z) whose density is evaluated at many z."""

import math

import pyro.distributions as dist
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Independent

from models.distributions.base import Distribution, Shape


class SharedMixture(dist.MixtureSameFamily):
    """A mixture whose K components are the same for every datum of a plate.

    In a plate, torch's mixture repeats its components for each of N data, and then computes
    N × K × D numbers; this one keeps the K components.

    Arguments:
        weights: the categorical distribution of the component's number.
        components: K distributions in one, with batch_shape (K,) and event_shape (D,).
    """

    def __init__(
        self,
        weights: dist.Categorical,
        components: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(weights, components, validate_args)
        self.weights, self.components = weights, components

    def expand(
        self, batch_shape: Shape, _instance: "SharedMixture | None" = None
    ) -> "SharedMixture":
        new = super().expand(batch_shape, self._get_checked_instance(SharedMixture, _instance))
        new.weights, new.components = self.weights, self.components
        return new

    def log_prob(self, value: Float[Tensor, " *value D"]) -> Float[Tensor, " *batch"]:
        """Returns log Σ_k π_k p_k(z), in nats."""
        if self._validate_args:
            self._validate_sample(value)
        each = self.weights.logits + component_log_probs(self.components, value)
        log_prob = each.logsumexp(-1).to(value)
        return log_prob.expand(torch.broadcast_shapes(log_prob.shape, self.batch_shape))


def component_log_probs(
    components: Distribution, z: Float[Tensor, " *batch D"]
) -> Float[Tensor, " *batch K"]:
    """Returns log p_k(z) of every component, in nats; in float64 for diagonal normals."""
    if (
        isinstance(components, Independent)
        and type(components.base_dist) is dist.Normal
        and components.event_dim == 1
    ):
        return normal_log_probs(components.base_dist, z)
    return components.log_prob(z.unsqueeze(-2))


def normal_log_probs(
    normals: dist.Normal, z: Float[Tensor, " *batch D"]
) -> Float64[Tensor, " *batch K"]:
    """Returns Σ_d log N(z_d; μ_kd, σ_kd²) for every component k, by one matrix product.

    The square is expanded: the product is (z, z²) · (μ/σ², −1/2σ²). The expanded terms cancel;
    they are as large as (|z| + |μ|)²/σ², of which float64 keeps 16 digits.
    """
    loc, scale, z = normals.loc.double(), normals.scale.double(), z.double()
    precision = scale.square().reciprocal()
    constant = (0.5 * loc.square() * precision + scale.log() + 0.5 * math.log(2 * math.pi)).sum(-1)
    factors = torch.cat([loc * precision, -0.5 * precision], -1)
    return torch.cat([z, z.square()], -1) @ factors.mT - constant
