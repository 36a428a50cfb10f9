"""Pyro as its VAE tutorial uses it: pyro.module, pyro.optim.Adam, Trace_ELBO."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, JitTrace_ELBO, Trace_ELBO
from pyro.optim import Adam
from torch import Tensor, nn

from benchmarks.peers.torch_loop import layers
from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, PIXELS, Batches, Network


class VAE(nn.Module):
    """The tutorial's class, for any number of hidden layers."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.latent = network.latent
        self.decoder = layers(network.latent, *reversed(network.hidden), PIXELS)
        self.encoder = layers(PIXELS, *network.hidden, 2 * network.latent)

    def model(self, x: Tensor) -> None:
        """p(z) p(x|z)."""
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = x.new_zeros(x.shape[0], self.latent), x.new_ones(x.shape[0], self.latent)
            z = pyro.sample("latent", dist.Normal(loc, scale).to_event(1))
            probs = torch.sigmoid(self.decoder(z))
            pyro.sample("obs", dist.Bernoulli(probs, validate_args=False).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(z|x)."""
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, log_scale = self.encoder(x).chunk(2, dim=-1)
            pyro.sample("latent", dist.Normal(loc, torch.exp(log_scale)).to_event(1))


def vae_and_svi(network: Network, batches: Batches, loss: Trace_ELBO | None = None) -> tuple[VAE, SVI]:
    """The tutorial's objects; parameters live in Pyro's global store."""
    vae = VAE(network).to(batches.device)
    return vae, SVI(vae.model, vae.guide, Adam({"lr": LEARNING_RATE}), loss=loss or Trace_ELBO())


def _run(network: Network, batches: Batches, loss: Trace_ELBO) -> Run:
    store = pyro.get_param_store()
    others = store.get_state()  # each contender has a parameter store of its own
    store.clear()
    svi, stream = vae_and_svi(network, batches, loss)[1], iter(batches)
    svi.step(next(stream))
    own = store.get_state()
    store.set_state(others)

    def run(steps: int) -> None:
        store.set_state(own)
        for _ in range(steps):
            svi.step(next(stream))

    return run


def svi(network: Network, batches: Batches) -> Run:
    """The tutorial."""
    return _run(network, batches, Trace_ELBO())


def jit(network: Network, batches: Batches) -> Run:
    """The tutorial with --jit."""
    return _run(network, batches, JitTrace_ELBO())
