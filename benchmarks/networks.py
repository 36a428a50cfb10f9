"""The networks that are trained.

Each is there as this project has it, and as layers in a row, as one writes it by hand.
"""

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from networks.conv import Conv
from networks.mlp import MLP

SIDE = 28
PIXELS = SIDE * SIDE


class Network(ABC):
    """Encoder and decoder of one VAE on images of 28×28 pixels.

    `shape` is that of one image, as this project's network takes and gives it. By hand, both ends
    are flat.
    """

    latent: int
    shape: tuple[int, ...]

    @abstractmethod
    def project(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> nn.Module:
        """Makes this project's `(N, *in_shape)` → `(N, *out_shape)`; one of them is `shape`."""

    @abstractmethod
    def encoder(self) -> nn.Sequential:
        """Makes (N, 784) → (N, 2·latent) by hand."""

    @abstractmethod
    def decoder(self) -> nn.Sequential:
        """Makes (N, latent) → logits (N, 784) by hand."""


@dataclass(frozen=True)
class Perceptron(Network):
    """Hidden layers of one width, with softplus between them, as in Pyro's tutorial."""

    hidden: tuple[int, ...]
    latent: int
    shape = (PIXELS,)

    def __str__(self) -> str:
        return "-".join(map(str, (PIXELS, *self.hidden, self.latent)))

    def project(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> nn.Module:
        return MLP(in_shape, out_shape, self.hidden[0], len(self.hidden), "softplus")

    def encoder(self) -> nn.Sequential:
        return _linear(PIXELS, *self.hidden, 2 * self.latent)

    def decoder(self) -> nn.Sequential:
        return _linear(self.latent, *reversed(self.hidden), PIXELS)


def _linear(*widths: int) -> nn.Sequential:
    maps = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*[m for linear in maps for m in (linear, nn.Softplus())][:-1])


@dataclass(frozen=True)
class Convolutional(Network):
    """networks/conv.py with its two halvings, 28 → 14 → 7, and its own number of channels."""

    latent: int
    width: int = 32
    shape = (SIDE, SIDE)

    def __str__(self) -> str:
        return f"conv-{self.latent}"

    def project(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> nn.Module:
        return Conv(in_shape, out_shape, self.width)

    def encoder(self) -> nn.Sequential:
        fine, coarse = self.width, 2 * self.width
        return nn.Sequential(
            nn.Unflatten(1, (1, SIDE, SIDE)),
            *(nn.Conv2d(1, fine, 3, stride=2, padding=1), nn.GELU()),
            *(nn.Conv2d(fine, coarse, 3, stride=2, padding=1), nn.GELU()),
            nn.Flatten(),
            nn.Linear(coarse * 7 * 7, 2 * self.latent),
        )

    def decoder(self) -> nn.Sequential:
        fine, coarse = self.width, 2 * self.width
        return nn.Sequential(
            nn.Linear(self.latent, coarse * 7 * 7),
            nn.Unflatten(1, (coarse, 7, 7)),
            *(
                nn.GELU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(coarse, fine, 3, padding=1),
                nn.GELU(),
            ),
            *(
                nn.GELU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(fine, fine, 3, padding=1),
                nn.GELU(),
            ),
            nn.Conv2d(fine, 1, 3, padding=1, bias=False),
            nn.Flatten(),
            Bias(PIXELS),
        )


class Bias(nn.Module):
    """x + b, where b has `size` numbers."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


TUTORIAL = Perceptron((400,), 50)
DEEPER = Perceptron((200, 200), 50)
CONVOLUTIONAL = Convolutional(50)
