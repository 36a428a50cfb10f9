"""Data in units that a network learns from."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Scaled(nn.Module):
    """`network` of x / `unit`: grey levels 0..255 would saturate a network that is fine with numbers near 1."""

    unit: Tensor

    def __init__(self, network: nn.Module, unit: float) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("unit", torch.tensor(float(unit)), persistent=False)

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.network(x / self.unit)


class LogCounts(nn.Module):
    """`network` of log(1 + x): counts have no largest value."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *out_shape"]:
        return self.network(torch.log1p(x))
