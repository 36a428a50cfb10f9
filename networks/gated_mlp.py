"""The multilayer perceptron with gated layers (Dauphin et al. 2017), as in the VampPrior paper."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from networks.layered import Layered


class Gated(nn.Module):
    """Computes (Wx + b) ⊙ σ(Vx + c)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs)

    def forward(self, inputs: Float[Tensor, " N inputs"]) -> Float[Tensor, " N outputs"]:
        return self.value(inputs) * torch.sigmoid(self.gate(inputs))


class GatedMLP(Layered):
    """`layers` gated layers of `width` units; Tomczak & Welling 2018 use 300-300."""

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int = 300,
        layers: int = 2,
    ) -> None:
        super().__init__(in_shape, out_shape, width, layers, Gated)
