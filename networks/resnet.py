"""The residual convolutional network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from networks.doubling import doubling
from networks.images import ImageNetwork

# The factor on a branch's last weights at the start: small enough for a block to train without
# normalisation (Zhang et al. 2019).
BRANCH = 0.1


class Block(nn.Module):
    """x + conv(gelu(conv(gelu(x)))), pre-activation (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, last = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        with torch.no_grad():
            last.weight.mul_(BRANCH)
        self.branch = nn.Sequential(nn.GELU(), first, nn.GELU(), last)

    def forward(self, inputs: Float[Tensor, " N channels h w"]) -> Float[Tensor, " N channels h w"]:
        return inputs + self.branch(inputs)


class ResNet(ImageNetwork):
    """`blocks` residual blocks after every halving and every doubling."""

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int = 32,
        layers: int = 2,
        blocks: int = 2,
    ) -> None:
        if blocks < 1:
            raise ValueError(f"blocks={blocks}: must be at least 1")
        self.blocks = blocks
        super().__init__(in_shape, out_shape, width, layers)

    def down(self, inputs: int, outputs: int) -> nn.Module:
        halving = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        return nn.Sequential(halving, *self._blocks(outputs))

    def up(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(*doubling(inputs, outputs), *self._blocks(outputs))

    def _blocks(self, channels: int) -> list[nn.Module]:
        return [Block(channels) for _ in range(self.blocks)]
