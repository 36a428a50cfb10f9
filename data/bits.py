"""Bits of 8-bit grey levels: one byte of noise each, and exact all the same.

In base 256, v/255 = 0.vvv…, so a uniform number 0.u₁u₂… lies below it where u₁ < v, or where
u₁ = v and the rest, which is uniform again, lies below the rest, which is v/255 again. So one byte
of noise decides, but for one pixel of 256. torch's generator takes four times as long for 24 bits a
pixel, a fifth of a training step (docs/performance.md).
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

WHITE = 255


def is_quick(values: Tensor) -> bool:
    """Whether `bits` can draw for these values: bytes on the CPU."""
    return values.dtype == torch.uint8 and values.device.type == "cpu"


def bits(levels: UInt8[Tensor, " *all"]) -> Float[Tensor, " *all"]:
    """Returns 1 with probability v/255 in the place of each v, and else 0.

    The noise is a function of the state of torch's generator, which moves on.
    """
    noise = np.random.SFC64(int(torch.randint(2**63 - 1, ())))
    first = noise.random_raw(-(-levels.numel() // 8)).view(np.uint8)[: levels.numel()]
    again = np.random.Generator(noise)
    drawn = decided(
        levels.numpy().ravel(), first, lambda count: again.integers(WHITE, size=count, dtype="u1")
    )
    return torch.from_numpy(drawn.view(np.uint8)).view(levels.shape).float()


def decided(
    levels: UInt8[np.ndarray, " n"],
    first: UInt8[np.ndarray, " n"],
    again: Callable[[int], UInt8[np.ndarray, " ties"]],
) -> Bool[np.ndarray, " n"]:
    """Returns whether uniform numbers with the first digits `first` lie below v/255.

    Arguments:
        levels: the grey levels v, 0..255.
        first: uniform on 0..255.
        again: draws so many numbers that are uniform on 0..254, for the ties.
    """
    drawn = first < levels
    tied = np.flatnonzero(first == levels)
    drawn[tied] = again(len(tied)) < levels[tied]
    return drawn
