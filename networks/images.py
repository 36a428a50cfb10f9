"""What networks on images share: from an image to numbers, or from numbers to an image."""

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from networks.base import Network


class ImageNetwork(Network):
    """A network between an image (…, height, width) and a vector, in either direction.

    What precedes the height is channels. The image is halved `layers` times; the channels start at
    `width` and double. There is no batch normalisation: it would make log p(x|z) of one datum
    depend on which others share its batch.
    """

    def __init__(
        self, in_shape: tuple[int, ...], out_shape: tuple[int, ...], width: int, layers: int
    ) -> None:
        super().__init__(in_shape, out_shape)
        if width < 1:
            raise ValueError(f"width={width}: must be at least 1")
        if layers < 1:
            raise ValueError(f"layers={layers}: must be at least 1")
        self.encodes = len(in_shape) >= 2
        image = in_shape if self.encodes else out_shape
        if self.encodes == (len(out_shape) >= 2) or min(image[-2:]) < 2**layers:
            shape = "×".join(map(str, image if len(image) >= 2 else in_shape))
            raise ValueError(
                f"layers={layers}: must be a number of halvings of images (height, width) or "
                f"(channels, height, width) with sides of at least 2^layers = {2**layers} pixels, "
                f"but the data are {shape}; use fewer layers, or an mlp"
            )
        channels = [width * 2**level for level in range(layers)]
        self.coarse = (channels[-1], *(-(-side // 2**layers) for side in image[-2:]))
        depth = math.prod(image[:-2])
        if self.encodes:
            steps = zip([depth, *channels], channels, strict=False)
            levels = [self.down(inputs, outputs) for inputs, outputs in steps]
            self.hidden = nn.Sequential(*levels, nn.Flatten())
            self.output: nn.Module = nn.Linear(math.prod(self.coarse), math.prod(out_shape))
        else:
            first = nn.Sequential(
                nn.Linear(math.prod(in_shape), math.prod(self.coarse)),
                nn.Unflatten(-1, self.coarse),
            )
            steps = zip(channels[::-1], [*channels[-2::-1], width], strict=True)
            levels = [self.up(inputs, outputs) for inputs, outputs in steps]
            self.hidden = nn.Sequential(first, *levels)
            self.output = nn.Conv2d(width, depth, 3, padding=1, bias=False)
            # There is one bias for every pixel, so that the output can start at the data mean.
            self.bias = nn.Parameter(torch.zeros(out_shape))

    @abstractmethod
    def down(self, inputs: int, outputs: int) -> nn.Module:
        """Makes a map from (N, inputs, h, w) to (N, outputs, ⌈h/2⌉, ⌈w/2⌉)."""

    @abstractmethod
    def up(self, inputs: int, outputs: int) -> nn.Module:
        """Makes a map from (N, inputs, h, w) to (N, outputs, 2h, 2w)."""

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        if self.encodes:
            image = inputs.reshape(len(inputs), -1, *self.in_shape[-2:])
            return self.output(self.hidden(image)).unflatten(-1, self.out_shape)
        height, width = self.out_shape[-2:]
        image = self.output(self.hidden(inputs))[..., :height, :width]
        return image.reshape(len(inputs), *self.out_shape) + self.bias

    @torch.no_grad()
    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        bias = self.output.bias if self.encodes else self.bias
        assert isinstance(bias, Tensor)
        bias.copy_(output.reshape(bias.shape))

    @property
    def last_layer(self) -> nn.Linear | None:
        return self.output if isinstance(self.output, nn.Linear) else None
