"""Planar flow: z = z′ + û tanh(wᵀz′ + b) (Rezende & Mohamed 2015, eq. 10)."""

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions.transforms.planar import ConditionedPlanar
from torch import Tensor, nn

from guides.families.base import Family, posterior_scale
from guides.families.flow import FlowDistribution
from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus, positive


class PlanarFlow(Family):
    """Planar layers after a mean-field normal: h holds μ, the raw σ, and u, w, b of every layer.

    The parameter `start` is added to what h says of the layers. A layer is not defined at w = 0,
    where an encoder starts, so w starts at a random unit vector; u starts at 0, where a layer is
    the identity.
    """

    def __init__(self, latent_dim: int, layers: int = 4) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers={layers}: must be at least 1")
        self.latent_dim = latent_dim
        self.num_parameters = 2 * latent_dim + layers * (2 * latent_dim + 1)
        directions = F.normalize(torch.randn(layers, latent_dim), dim=-1)
        identity = torch.zeros(layers, latent_dim + 1)
        self.start = nn.Parameter(torch.cat([identity, directions], dim=-1))

    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        """Returns the mean-field normal that h starts with, through a layer for each (b, u, w)."""
        loc, raw_scale, rest = h.tensor_split([self.latent_dim, 2 * self.latent_dim], dim=-1)
        parameters = rest.unflatten(-1, self.start.shape) + self.start
        layers = [
            InvertiblePlanar(p.tensor_split([1, self.latent_dim + 1], dim=-1))
            for p in parameters.unbind(-2)
        ]
        return FlowDistribution(dist.Normal(loc, posterior_scale(raw_scale)).to_event(1), layers)


class InvertiblePlanar(ConditionedPlanar):
    """Pyro's planar layer with parameters (b, u, w), with an inverse, and the identity at u = 0."""

    def u_hat(
        self, u: Float[Tensor, " *batch latent"], w: Float[Tensor, " *batch latent"]
    ) -> Float[Tensor, " *batch latent"]:
        """Returns û with wᵀû > −1 and û(0) = 0.

        The inequality makes the layer invertible (Rezende & Mohamed 2015, appendix A.1).
        """
        along = (u * w).sum(-1, keepdim=True)
        bounded = positive(along + inverse_softplus(1.0)) - 1
        return u + (bounded - along) * w / w.square().sum(-1, keepdim=True)

    def _inverse(self, y: Float[Tensor, " *batch latent"]) -> Float[Tensor, " *batch latent"]:
        """Solves for a = wᵀx + b by bisection, and one Newton step that carries gradients.

        Along w the layer is the increasing map a ↦ a + wᵀû tanh(a).
        """
        bias, u, w = self._params
        u_hat = self.u_hat(u, w)
        slope, target = (w * u_hat).sum(-1, keepdim=True), (w * y).sum(-1, keepdim=True) + bias
        with torch.no_grad():
            low, high = target - slope.abs(), target + slope.abs()
            for _ in range(torch.finfo(y.dtype).bits):
                middle = (low + high) / 2
                above = middle + slope * torch.tanh(middle) > target
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
            root = (low + high) / 2
        residual = root + slope * torch.tanh(root) - target
        along = root - residual / (1 + slope * (1 - torch.tanh(root) ** 2))
        x = y - u_hat * torch.tanh(along)
        self._call(x)  # Pyro reads the log-determinant from the last call
        return x
