"""Data in units that a network learns from."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from networks.base import Network


class Scaled(Network):
    """`network` of x / `unit`: grey levels 0..255 would saturate it."""

    unit: Tensor

    def __init__(self, network: Network, unit: int) -> None:
        super().__init__(network.in_shape, network.out_shape)
        self.network = network
        self.register_buffer("unit", torch.tensor(float(unit)), persistent=False)

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.network(inputs / self.unit)

    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        self.network.start_at(output)

    @property
    def last_layer(self) -> nn.Linear | None:
        return self.network.last_layer


class Standardized(Network):
    """`network` of (x − `mean`) / `sd`: columns in units of their own would saturate it."""

    mean: Tensor
    sd: Tensor

    def __init__(
        self, network: Network, mean: Float[Tensor, " *in_shape"], sd: Float[Tensor, " *in_shape"]
    ) -> None:
        super().__init__(network.in_shape, network.out_shape)
        self.network = network
        self.register_buffer("mean", mean.clone())
        self.register_buffer("sd", sd.clone())

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.network((inputs - self.mean) / self.sd)

    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        self.network.start_at(output)

    @property
    def last_layer(self) -> nn.Linear | None:
        return self.network.last_layer


class Rescaled(Network):
    """`mean` + `sd` · `network`: locations in units of their own, made of numbers near 1.

    Where the network has several outputs for each dimension, the first is the location.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, network: Network, mean: Float[Tensor, " *shape"], sd: Float[Tensor, " *shape"]
    ) -> None:
        super().__init__(network.in_shape, network.out_shape)
        self.network = network
        scale, shift = torch.ones(self.out_shape), torch.zeros(self.out_shape)
        location = ... if mean.shape == scale.shape else 0
        scale[location], shift[location] = sd, mean
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.shift + self.scale * self.network(inputs)

    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        self.network.start_at((output - self.shift) / self.scale)


class LogCounts(Network):
    """`network` of log(1 + x): counts have no largest value."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.in_shape, network.out_shape)
        self.network = network

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.network(torch.log1p(inputs))

    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        self.network.start_at(output)

    @property
    def last_layer(self) -> nn.Linear | None:
        return self.network.last_layer
