"""The convolutional network."""

from torch import nn

from networks.doubling import doubling
from networks.images import ImageNetwork


class Conv(ImageNetwork):
    """A strided convolution at every halving; upsampling and a convolution at every doubling."""

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int = 32,
        layers: int = 2,
    ) -> None:
        super().__init__(in_shape, out_shape, width, layers)

    def down(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.GELU())

    def up(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.GELU(), *doubling(inputs, outputs), nn.GELU())
