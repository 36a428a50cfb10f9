"""What networks between flat vectors share: hidden layers of one width, and a linear output."""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from networks.base import Network
from networks.start import start_orthogonal


class Layered(Network):
    """`layers` hidden layers, each `layer(inputs, width)`, and a linear output.

    None has batch normalisation: it would make log p(x|z) of one datum depend on which others share
    its batch.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int,
        layers: int,
        layer: Callable[[int, int], nn.Module],
    ) -> None:
        super().__init__(in_shape, out_shape)
        if width < 1:
            raise ValueError(f"width={width}: must be at least 1")
        if layers < 0:
            raise ValueError(f"layers={layers}: must be at least 0 (0 is a linear map)")
        widths = [math.prod(in_shape), *[width] * layers]
        self.hidden = nn.Sequential(
            *(layer(inputs, outputs) for inputs, outputs in itertools.pairwise(widths))
        )
        self.output = nn.Linear(widths[-1], math.prod(out_shape))
        start_orthogonal(self, self.output)

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.output(self.hidden(inputs.flatten(1))).unflatten(-1, self.out_shape)

    @torch.no_grad()
    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        self.output.bias.copy_(output.flatten())

    @property
    def last_layer(self) -> nn.Linear:
        return self.output
