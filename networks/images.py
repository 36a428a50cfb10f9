"""What networks on images share: from an image to numbers, or from numbers to an image."""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from errors import RequestError


class ImageNetwork(nn.Module, ABC):
    """`(N, *in_shape)` to `(N, *out_shape)`, one of which is an image (…, height, width); what precedes is channels.

    The image is halved `layers` times, the channels start at `width` and double. No batch normalisation: it would make
    log p(x|z) of one datum depend on which others share its batch.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        width: int,
        layers: int,
        name: str,
    ) -> None:
        super().__init__()
        for option, value in (("width", width), ("layers", layers)):
            if value < 1:
                raise RequestError(f"network.{option}={value}: must be at least 1")
        self.encodes = len(in_shape) >= 2
        image = in_shape if self.encodes else out_shape
        if self.encodes == (len(out_shape) >= 2) or min(image[-2:]) < 2**layers:
            shape = "×".join(map(str, image if len(image) >= 2 else in_shape))
            raise RequestError(
                f"network={name} needs images (height, width) or (channels, height, width) of at least {2**layers} pixels a "
                f"side to halve {layers} times, but the data are {shape}; choose network=mlp, or fewer network.layers"
            )
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        channels = [width * 2**level for level in range(layers)]
        self.coarse = (channels[-1], *(-(-side // 2**layers) for side in image[-2:]))
        depth = math.prod(image[:-2])
        if self.encodes:
            levels = [
                self.down(inputs, outputs)
                for inputs, outputs in zip([depth, *channels], channels, strict=False)
            ]
            self.hidden = nn.Sequential(*levels, nn.Flatten())
            self.output: nn.Module = nn.Linear(math.prod(self.coarse), math.prod(out_shape))
        else:
            steps = zip(channels[::-1], [*channels[-2::-1], width], strict=True)
            first = nn.Sequential(
                nn.Linear(math.prod(in_shape), math.prod(self.coarse)),
                nn.Unflatten(-1, self.coarse),
            )
            self.hidden = nn.Sequential(
                first, *(self.up(inputs, outputs) for inputs, outputs in steps)
            )
            self.output = nn.Conv2d(width, depth, 3, padding=1, bias=False)
            self.bias = nn.Parameter(
                torch.zeros(out_shape)
            )  # one for every pixel, so that it can start at the data mean

    @abstractmethod
    def down(self, inputs: int, outputs: int) -> nn.Module:
        """(N, inputs, h, w) to (N, outputs, ⌈h/2⌉, ⌈w/2⌉)."""

    @abstractmethod
    def up(self, inputs: int, outputs: int) -> nn.Module:
        """(N, inputs, h, w) to (N, outputs, 2h, 2w)."""

    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        if self.encodes:
            image = inputs.reshape(len(inputs), -1, *self.in_shape[-2:])
            return self.output(self.hidden(image)).unflatten(-1, self.out_shape)
        height, width = self.out_shape[-2:]
        image = self.output(self.hidden(inputs))[..., :height, :width]
        return image.reshape(len(inputs), *self.out_shape) + self.bias

    @torch.no_grad()
    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        """Set the output's bias, so that training starts from `output` (the data mean) and not from zero."""
        bias = self.output.bias if self.encodes else self.bias
        assert isinstance(bias, Tensor)
        bias.copy_(output.reshape(bias.shape))
