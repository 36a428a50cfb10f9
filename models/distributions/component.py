"""One component of a mixture, named by a discrete variable: p(z|y)."""

from typing import ClassVar

import pyro.distributions as dist
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import constraints

from models.distributions.base import Distribution, Shape
from models.distributions.mixture import component_log_probs


class Component(dist.TorchDistribution):
    """p(z|y): the y-th of the distributions `components`, for y of any shape.

    Arguments:
        components: K distributions in one, with batch_shape (K,) and event_shape (D,).
        y: the numbers of the components, from 0 to K − 1.
    """

    arg_constraints: ClassVar = {}

    def __init__(self, components: Distribution, y: Int[Tensor, " *batch"]) -> None:
        self.components, self.y = components, y
        super().__init__(y.shape, components.event_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """The support of the components."""
        return self.components.support

    def expand(self, batch_shape: Shape, _instance: object = None) -> "Component":
        return Component(self.components, self.y.expand(batch_shape))

    def log_prob(self, value: Float[Tensor, " *value D"]) -> Float[Tensor, " *batch"]:
        """Returns log p(z|y) in nats: of all components' log-densities, the one that y names."""
        each = component_log_probs(self.components, value).to(value)
        shape = torch.broadcast_shapes(each.shape[:-1], self.y.shape)
        return each.expand(*shape, -1).gather(-1, self.y.expand(shape).unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Float[Tensor, " *batch D"]:
        """Draws z ~ p(z|y): one draw from every component, of which y names the one to keep."""
        shape = torch.Size(sample_shape) + self.y.shape
        each = self.components.sample(shape)
        index = self.y.expand(shape)[..., None, None].expand(*shape, 1, each.shape[-1])
        return each.gather(-2, index).squeeze(-2)
