"""What everyone trains on: batches of the same images, and the same learning rate."""

import itertools
from collections.abc import Iterator
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
    """scikit-learn's 1,797 digits, enlarged to 28×28: (N, 784) bytes, dark for the most part, as MNIST is."""
    small = torch.from_numpy(load_digits().images).float()[:, None] / 16
    return (
        (F.interpolate(small, size=SIDE, mode="bilinear") * 255).round().to(torch.uint8).flatten(1)
    )


@dataclass(frozen=True)
class Batches:
    """Batches of `size`: binarised beforehand, or anew at every step (`binarise`), drawn as train.py draws them."""

    size: int
    binarise: bool = False
    device: str = "cpu"

    def ready(self) -> Tensor:
        """Batches binarised beforehand, (M, size, 784) float32, in a fixed random order."""
        generator = torch.Generator().manual_seed(0)
        images = grey()[
            torch.randint(
                len(grey()), (max(4, 2048 // self.size) * self.size,), generator=generator
            )
        ]
        bits = (torch.rand(images.shape, generator=generator) * 255 < images).float()
        return bits.view(-1, self.size, PIXELS).to(self.device)

    def __iter__(self) -> Iterator[Tensor]:
        """(size, 784) float32, without end."""
        if not self.binarise:
            yield from itertools.cycle(self.ready())
        images = grey().to(self.device)
        while True:
            for index in torch.randint(len(images), (64, self.size), device=self.device):
                values = images[index]
                yield (torch.rand(values.shape, device=self.device) * 255 < values).float()
