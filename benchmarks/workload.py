"""What everyone trains on: batches of the same images, and the same learning rate."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from benchmarks.networks import PIXELS, SIDE

LEARNING_RATE = 1e-3


@cache
def grey() -> Tensor:
    """Returns scikit-learn's 1,797 digits, enlarged to 28×28: (N, 784) bytes, mostly dark."""
    small = torch.from_numpy(load_digits().images).float()[:, None] / 16
    large = F.interpolate(small, size=SIDE, mode="bilinear")
    return (large * 255).round().to(torch.uint8).flatten(1)


def by_hand(grey: Tensor) -> Tensor:
    """Returns bits (N, 784) float32 of grey levels."""
    return (torch.rand(grey.shape, device=grey.device) * 255 < grey).float()


@dataclass(frozen=True)
class Batches:
    """Batches of `size`, drawn as train.py draws them.

    They are binarised beforehand, or at every step (`binarise`), by `draw`: as one writes it by
    hand, or as this project does it.
    """

    size: int
    binarise: bool = False
    device: str = "cpu"
    draw: Callable[[Tensor], Tensor] = by_hand

    def ready(self) -> Tensor:
        """Returns batches (M, size, 784) float32, binarised beforehand, in a fixed random order."""
        generator, count = torch.Generator().manual_seed(0), max(4, 2048 // self.size) * self.size
        images = grey()[torch.randint(len(grey()), (count,), generator=generator)]
        bits = (torch.rand(images.shape, generator=generator) * 255 < images).float()
        return bits.view(-1, self.size, PIXELS).to(self.device)

    def __iter__(self) -> Iterator[Tensor]:
        """Yields batches (size, 784) float32, without end."""
        if not self.binarise:
            yield from itertools.cycle(self.ready())
        images = grey().to(self.device)
        while True:
            for index in torch.randint(len(images), (64, self.size), device=self.device):
                yield self.draw(images[index])
