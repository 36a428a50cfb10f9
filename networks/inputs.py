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
