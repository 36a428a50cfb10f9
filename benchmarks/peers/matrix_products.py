"""The floor: the matrix products and convolutions of one step and nothing else.

Products are by the library that a recorded step uses; MKL's go into memory that is there already.
Convolutions have their arguments there, channels last, which is up to twice as fast as torch's own
order, and allocate their result: aten's variants with `out=` would copy it.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.networks import PIXELS, Network
from benchmarks.timing import Run
from benchmarks.workload import Batches
from evidence.recording.products import pays, product

# A layer that multiplies, what goes into it and what comes out.
Layer = tuple[nn.Linear | nn.Conv2d, Tensor, Tensor]


def multiplying(layers: nn.Sequential, x: Tensor) -> Iterator[Layer]:
    """Yields those of `layers` that multiply, at the input `x`."""
    for layer in layers:
        y = layer(x)
        if isinstance(layer, nn.Linear | nn.Conv2d):
            yield layer, x, y
        x = y


@torch.no_grad()
def multiplications(network: Network) -> tuple[int, int]:
    """Counts those of a datum in the encoder and of a particle in the decoder, forwards."""
    ends = (
        (network.encoder(), torch.zeros(1, PIXELS)),
        (network.decoder(), torch.zeros(1, network.latent)),
    )
    encoder, decoder = (
        sum(_multiplications(*layer) for layer in multiplying(*end)) for end in ends
    )
    return encoder, decoder


def _multiplications(layer: nn.Linear | nn.Conv2d, x: Tensor, y: Tensor) -> int:
    """Counts a row of weights for each number of y; at the border of an image, with zeros, too."""
    return y.numel() * layer.weight[0].numel()


@torch.no_grad()
def products(network: Network, batches: Batches, particles: int = 1) -> Run:
    """Makes them forwards, backwards to the weights and, after the first layer, to the input."""
    device, calls = batches.device, list[Callable[[], object]]()
    x = torch.randn(batches.size, PIXELS, device=device)
    z = torch.randn(batches.size * particles, network.latent, device=device)
    for layer, at, y in multiplying(network.encoder().to(device), x):
        calls += _calls(layer, at, y, backwards=bool(calls))
    for layer, at, y in multiplying(network.decoder().to(device), z):
        calls += _calls(layer, at, y, backwards=True)

    def run(steps: int) -> None:
        for _ in range(steps):
            for call in calls:
                call()

    return run


def _calls(
    layer: nn.Linear | nn.Conv2d, x: Tensor, y: Tensor, backwards: bool
) -> list[Callable[[], object]]:
    w = layer.weight.detach()
    if isinstance(layer, nn.Linear):  # y = x Wᵀ; (∂y)ᵀ x; ∂y W
        found = [(x, w.T, torch.empty_like(y)), (y.T, x, torch.empty_like(w))]
        found += [(y, w, torch.empty_like(x))] * backwards
        return [_product(*each) for each in found]
    x, y, w = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, y, w))
    how = (layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups)
    wanted = (backwards, True, False)
    return [
        partial(torch.ops.aten.convolution, x, w, None, *how),
        partial(torch.ops.aten.convolution_backward, y, x, w, None, *how, wanted),
    ]


def _product(left: Tensor, right: Tensor, out: Tensor) -> Callable[[], object]:
    if pays(left, right):
        return partial(product, left, right)
    return partial(torch.mm, left, right, out=out)
