"""The multilayer perceptron."""

import itertools
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errors import RequestError
from networks.start import start_orthogonal

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    """`(N, *in_shape)` to `(N, *out_shape)` through `layers` hidden layers of `width` units; linear if `layers=0`.

    No batch normalisation: it would make log p(x|z) of one datum depend on which others share its batch.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int = 200,
        layers: int = 2,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        if width < 1:
            raise RequestError(f"network.width={width}: must be at least 1")
        if layers < 0:
            raise RequestError(f"network.layers={layers}: must be at least 0 (0 is a linear map)")
        if activation not in ACTIVATIONS:
            raise RequestError(f"network.activation={activation}: choose from {', '.join(ACTIVATIONS)}")
        widths = [math.prod(in_shape), *[width] * layers]
        hidden = [
            module
            for inputs, outputs in itertools.pairwise(widths)
            for module in (nn.Linear(inputs, outputs), ACTIVATIONS[activation]())
        ]
        self.out_shape = tuple(out_shape)
        self.hidden = nn.Sequential(*hidden)
        self.output = nn.Linear(widths[-1], math.prod(out_shape))
        start_orthogonal(self, self.output)

    def forward(self, inputs: Float[Tensor, "N *in_shape"]) -> Float[Tensor, "N *out_shape"]:
        return self.output(self.hidden(inputs.flatten(1))).unflatten(-1, self.out_shape)

    @torch.no_grad()
    def start_at(self, output: Float[Tensor, "*out_shape"]) -> None:
        """Set the output's bias, so that training starts from `output` (the data mean) and not from zero."""
        self.output.bias.copy_(output.flatten())
