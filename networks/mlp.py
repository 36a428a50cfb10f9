"""The multilayer perceptron."""

from torch import nn

from networks.layered import Layered

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


class MLP(Layered):
    """`layers` layers of `width` units with an `activation`; a linear map if `layers` is 0."""

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int = 200,
        layers: int = 2,
        activation: str = "gelu",
    ) -> None:
        if activation not in ACTIVATIONS:
            choices = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation={activation}: must be one of {choices}")

        def layer(inputs: int, outputs: int) -> nn.Module:
            return nn.Sequential(nn.Linear(inputs, outputs), ACTIVATIONS[activation]())

        super().__init__(in_shape, out_shape, width, layers, layer)

    @property
    def linear(self) -> nn.Linear | None:
        return None if len(self.hidden) else self.output
