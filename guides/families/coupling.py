"""Affine coupling flow: half of z is shifted and scaled given the rest and h (Dinh et al. 2017)."""

from pyro.distributions.transforms import ConditionalAffineCoupling
from pyro.nn import ConditionalDenseNN
from torch import nn

from guides.families.base import Family
from guides.families.flow import FlowFamily


class Coupling(FlowFamily):
    """RealNVP layers conditioned on the encoder's output, as fast to invert as to draw from."""

    def __init__(
        self,
        latent_dim: int,
        layers: int = 4,
        width: int = 128,
        context: int = 64,
        base: Family | None = None,
    ) -> None:
        super().__init__(latent_dim, layers, width, context, base)

    def layer(self, width: int, context: int) -> nn.Module:
        """Makes an affine coupling of the second half of z given the first, and the context."""
        half = self.latent_dim // 2
        rest = self.latent_dim - half
        network = ConditionalDenseNN(half, context, [width], [rest, rest], nn.ELU())
        return ConditionalAffineCoupling(half, network)
