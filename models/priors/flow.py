"""p(z) by invertible layers f of a normal: log p(z) = log N(f⁻¹(z); 0, I) + log |det ∂f⁻¹/∂z|."""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import pyro.distributions as dist
import pyro.distributions.transforms as T
import torch
from pyro.nn import AutoRegressiveNN, DenseNN
from torch import Tensor, nn

from models.distributions import Distribution, InvertibleAutoregressive
from models.distributions.softplus import inverse_softplus
from models.priors.base import Prior

Kind = Literal["affine_coupling", "spline_coupling", "inverse_autoregressive"]


class Flow(Prior):
    """A normalizing flow of Pyro's transforms, which reverses the dimensions between them.

    In one dimension there is nothing to couple or to order, and each layer is a Pyro `Spline`.

    Arguments:
        latent_dim: the dimensions of z.
        kind: which transform a layer is.
            `affine_coupling` is RealNVP (Dinh et al. 2017).
            `spline_coupling` has rational linear splines (Durkan et al. 2019, Dolatabadi et al.
            2020).
            `inverse_autoregressive` is the inverse of Pyro's AffineAutoregressive: log p(z), which
            training needs, takes one pass, and only draws from the prior are sequential
            (Papamakarios et al. 2017; as a prior, Chen et al. 2017).
        layers: the number of transforms.
        width: the units of the hidden layers of each, at least `latent_dim`.
    """

    loc: Tensor
    scale: Tensor
    reversal: Tensor

    def __init__(
        self, latent_dim: int, kind: Kind = "affine_coupling", layers: int = 4, width: int = 64
    ) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers={layers}: must be at least 1")
        if width < latent_dim:
            raise ValueError(f"width={width}: must be at least latent_dim={latent_dim}")
        make = LAYERS[kind] if latent_dim > 1 else _spline
        self.inverted = kind == "inverse_autoregressive" and latent_dim > 1
        self.layers = nn.ModuleList(make(latent_dim, width) for _ in range(layers))
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)
        self.register_buffer("reversal", torch.arange(latent_dim - 1, -1, -1), persistent=False)

    def forward(self) -> Distribution:
        layers: list[Any] = [layer.inv if self.inverted else layer for layer in self.layers]
        reversed_between = [(layer, T.Permute(self.reversal)) for layer in layers]
        transforms = list(itertools.chain.from_iterable(reversed_between))[:-1]
        base = dist.Normal(self.loc, self.scale).to_event(1)
        return dist.TransformedDistribution(base, transforms)


def _affine_coupling(dim: int, width: int) -> nn.Module:
    half = dim // 2
    return T.AffineCoupling(half, DenseNN(half, [width, width], [dim - half, dim - half]))


def _spline_coupling(dim: int, width: int) -> nn.Module:
    coupling = T.spline_coupling(dim, hidden_dims=[width, width])
    start_gently(coupling.lower_spline)
    return coupling


def _autoregressive(dim: int, width: int) -> nn.Module:
    # The order is fixed: the masks depend on it, and a random one would have to be saved with them.
    order: Any = torch.arange(dim)
    return InvertibleAutoregressive(AutoRegressiveNN(dim, [width, width], permutation=order))


def _spline(dim: int, width: int) -> nn.Module:
    spline = T.Spline(dim)
    start_gently(spline)
    return spline


@torch.no_grad()
def start_gently(spline: T.Spline) -> None:
    """Moves a new spline near the identity.

    Pyro starts at slopes from 1/30 to 250, which make a density of needles.
    """
    for raw in (
        spline.unnormalized_widths,
        spline.unnormalized_heights,
        spline.unnormalized_lambdas,
    ):
        raw.mul_(0.1)
    spline.unnormalized_derivatives.mul_(0.1).add_(inverse_softplus(1.0))


LAYERS: dict[Kind, Callable[[int, int], nn.Module]] = {
    "affine_coupling": _affine_coupling,
    "spline_coupling": _spline_coupling,
    "inverse_autoregressive": _autoregressive,
}
