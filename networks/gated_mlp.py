"""The multilayer perceptron with gated layers (Dauphin et al. 2017), as in the VampPrior paper."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errors import RequestError
from networks.start import start_orthogonal


class Gated(nn.Module):
    """(Wx + b) ⊙ σ(Vx + c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, inputs: Float[Tensor, "N inputs"]) -> Float[Tensor, "N outputs"]:
        return self.value(inputs) * torch.sigmoid(self.gate(inputs))


class GatedMLP(nn.Module):
    """`(N, *in_shape)` to `(N, *out_shape)` through `layers` gated layers of `width` units.

    Tomczak & Welling 2018 have 300-300. No batch normalisation, for the reason given in networks/mlp.py.
    """

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...], width: int = 300, layers: int = 2) -> None:
        super().__init__()
        if width < 1:
            raise RequestError(f"network.width={width}: must be at least 1")
        if layers < 1:
            raise RequestError(f"network.layers={layers}: must be at least 1 (network=mlp has linear maps)")
        widths = [math.prod(in_shape), *[width] * layers]
        self.out_shape = tuple(out_shape)
        self.hidden = nn.Sequential(*(Gated(inputs, outputs) for inputs, outputs in itertools.pairwise(widths)))
        self.output = nn.Linear(width, math.prod(out_shape))
        start_orthogonal(self, self.output)

    def forward(self, inputs: Float[Tensor, "N *in_shape"]) -> Float[Tensor, "N *out_shape"]:
        return self.output(self.hidden(inputs.flatten(1))).unflatten(-1, self.out_shape)

    @torch.no_grad()
    def start_at(self, output: Float[Tensor, "*out_shape"]) -> None:
        """Set the output's bias, so that training starts from `output` (the data mean) and not from zero."""
        self.output.bias.copy_(output.flatten())
