"""Nearest-neighbour upsampling and a convolution after it, as one operation.

Along one side, the upsampled image is u_o = x_⌊o/2⌋, and the convolution with the kernel w of three
weights y_o = Σ_d w_d u_{o+d−1}. Each x_i meets neighbouring weights twice, so that

    y_o = Σ_i x_i k_{o−2i+1},    k = (w₂, w₁ + w₂, w₀ + w₁, w₀),

which is a transposed convolution of stride 2. It multiplies by 4 numbers where the two steps
multiply by 9 (in both dimensions), and never makes the upsampled image.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class DoublingConv2d(nn.Conv2d):
    """Does what `nn.Upsample(scale_factor=2)` and `nn.Conv2d(inputs, outputs, 3, padding=1)` do."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Float[Tensor, " N inputs h w"]) -> Float[Tensor, " N outputs H W"]:
        kernel = four_by_four(self.weight)
        return F.conv_transpose2d(input, kernel, self.bias, stride=2, padding=1)


def four_by_four(
    weight: Float[Tensor, " outputs inputs 3 3"],
) -> Float[Tensor, " inputs outputs 4 4"]:
    """Returns k of the weights w: sums of two neighbours in each direction, in reversed order."""
    reversed_weight = weight.transpose(0, 1).flip(2, 3)
    return 4 * F.avg_pool2d(F.pad(reversed_weight, (1, 1, 1, 1)), 2, stride=1)


def doubling(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Makes the two modules of a doubling; the first does nothing.

    It stands where runs of earlier revisions have their upsampling, so that weights keep their
    names.
    """
    return nn.Identity(), DoublingConv2d(inputs, outputs)
