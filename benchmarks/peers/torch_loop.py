"""The VAE as one writes it by hand in torch: binary cross-entropy plus the KL in closed form."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.networks import Network
from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, Batches
from guides.families.base import posterior_scale


class VAE(nn.Module):
    """Minus the ELBO in nats per datum, by one draw of z."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.encoder, self.decoder = network.encoder(), network.decoder()

    def forward(self, x: Tensor) -> Tensor:
        mean, raw_scale = self.encoder(x).chunk(2, dim=-1)
        scale = posterior_scale(raw_scale)  # the same for all contenders
        z = mean + scale * torch.randn_like(mean)
        cross_entropy = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * torch.sum(mean.pow(2) + scale.pow(2) - 1 - 2 * scale.log())
        return (cross_entropy + kl) / len(x)


def _loop(
    network: Network,
    batches: Batches,
    fused: bool,
    wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]],
) -> Run:
    vae = VAE(network).to(batches.device)
    loss, stream = wrap(vae), iter(batches)
    adam = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE, fused=fused or None)

    def run(steps: int) -> None:
        for _ in range(steps):
            adam.zero_grad()
            loss(next(stream)).backward()
            adam.step()

    return run


def plain(network: Network, batches: Batches) -> Run:
    """Makes the loop with Adam as torch configures it by default."""
    return _loop(network, batches, fused=False, wrap=lambda vae: vae)


def fused(network: Network, batches: Batches) -> Run:
    """Makes the loop with Adam as one fused kernel."""
    return _loop(network, batches, fused=True, wrap=lambda vae: vae)


def compiled(network: Network, batches: Batches) -> Run:
    """Makes the loop with the loss under torch.compile, and fused Adam."""
    return _loop(network, batches, fused=True, wrap=lambda vae: torch.compile(vae, dynamic=False))


def captured(network: Network, batches: Batches) -> Run:
    """Makes the loop as one CUDA graph: loss, gradients and fused Adam, replayed on each batch."""
    vae, stream = VAE(network).to(batches.device), iter(batches)
    adam = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE, fused=True, capturable=True)
    x = next(stream).clone()

    def step() -> None:
        adam.zero_grad()
        vae(x).backward()
        adam.step()

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):  # makes gradients and moments before anything is captured
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    adam.zero_grad()
    with torch.cuda.graph(graph):
        step()
    written = [vae, adam]  # the graph has their addresses, and does not keep them alive

    def run(steps: int) -> None:
        assert written
        for _ in range(steps):
            x.copy_(next(stream))
            graph.replay()

    return run
