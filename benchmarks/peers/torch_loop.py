"""The VAE as one writes it by hand in torch: binary cross-entropy plus the KL in closed form."""

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, PIXELS, Batches, Network


def layers(*widths: int) -> nn.Sequential:
    """Linear maps with softplus between them."""
    maps = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(*[m for linear in maps for m in (linear, nn.Softplus())][:-1])


class VAE(nn.Module):
    """Minus the ELBO per datum, by one draw of z."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.encoder = layers(PIXELS, *network.hidden, 2 * network.latent)
        self.decoder = layers(network.latent, *reversed(network.hidden), PIXELS)

    def forward(self, x: Tensor) -> Tensor:
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        cross_entropy = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return (cross_entropy + kl) / len(x)


def _loop(network: Network, batches: Batches, fused: bool, wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]]) -> Run:
    vae = VAE(network).to(batches.device)
    loss, stream = wrap(vae), iter(batches)
    adam = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE, **({"fused": True} if fused else {}))

    def run(steps: int) -> None:
        for _ in range(steps):
            adam.zero_grad()
            loss(next(stream)).backward()
            adam.step()

    return run


def plain(network: Network, batches: Batches) -> Run:
    """Adam as torch configures it by default."""
    return _loop(network, batches, fused=False, wrap=lambda vae: vae)


def fused(network: Network, batches: Batches) -> Run:
    """Adam as one fused kernel."""
    return _loop(network, batches, fused=True, wrap=lambda vae: vae)


def compiled(network: Network, batches: Batches) -> Run:
    """The loss under torch.compile, fused Adam."""
    return _loop(network, batches, fused=True, wrap=lambda vae: torch.compile(vae, dynamic=False))
