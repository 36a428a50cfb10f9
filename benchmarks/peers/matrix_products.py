"""The floor: the matrix products of one step and nothing else, into memory that is there already."""

import itertools

import torch

from benchmarks.timing import Run
from benchmarks.workload import PIXELS, Batches, Network


def widths(network: Network) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the layers of encoder and decoder."""
    return (PIXELS, *network.hidden, 2 * network.latent), (network.latent, *reversed(network.hidden), PIXELS)


def multiplications(network: Network) -> tuple[int, int]:
    """Of one datum through the encoder, and of one particle through the decoder, forwards."""
    encoder, decoder = (sum(a * b for a, b in itertools.pairwise(chain)) for chain in widths(network))
    return encoder, decoder


def products(network: Network, batches: Batches, particles: int = 1) -> Run:
    """x Wᵀ forwards; (∂h)ᵀ x and, but for the first layer, ∂h W backwards."""
    device = batches.device
    calls = []
    for k, chain in enumerate(widths(network)):
        n = batches.size * (particles if k else 1)
        for i, (a, b) in enumerate(itertools.pairwise(chain)):
            x, w, h = (torch.randn(shape, device=device) for shape in ((n, a), (b, a), (n, b)))
            calls.append((x, w.T, torch.empty(n, b, device=device)))
            calls.append((h.T, x, torch.empty(b, a, device=device)))
            if k or i:
                calls.append((h, w, torch.empty(n, a, device=device)))

    def run(steps: int) -> None:
        for _ in range(steps):
            for left, right, out in calls:
                torch.mm(left, right, out=out)

    return run
