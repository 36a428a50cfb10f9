"""Pyro as its VAE tutorial uses it: pyro.module, pyro.optim.Adam, Trace_ELBO."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, JitTrace_ELBO, Trace_ELBO
from pyro.optim import Adam  # type: ignore[attr-defined]
from pyro.params.param_store import StateDict
from torch import Tensor, nn

from benchmarks.networks import Network
from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, Batches
from guides.families.base import posterior_scale


class VAE(nn.Module):
    """The tutorial's class, for any network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.latent = network.latent
        self.encoder, self.decoder = network.encoder(), network.decoder()

    def model(self, x: Tensor) -> None:
        """Samples z from p(z), and x from p(x|z)."""
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = x.new_zeros(x.shape[0], self.latent), x.new_ones(x.shape[0], self.latent)
            z = pyro.sample("latent", dist.Normal(loc, scale).to_event(1))
            probs = torch.sigmoid(self.decoder(z))
            pyro.sample("obs", dist.Bernoulli(probs, validate_args=False).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """Samples z from q(z|x), by the encoder."""
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, raw_scale = self.encoder(x).chunk(2, dim=-1)
            scale = posterior_scale(raw_scale)  # the same for all contenders
            pyro.sample("latent", dist.Normal(loc, scale).to_event(1))


def vae_and_svi(
    network: Network, batches: Batches, loss: Trace_ELBO | None = None
) -> tuple[VAE, SVI]:
    """Makes the tutorial's objects, whose parameters live in Pyro's global store."""
    vae = VAE(network).to(batches.device)
    return vae, SVI(vae.model, vae.guide, Adam({"lr": LEARNING_RATE}), loss=loss or Trace_ELBO())


@contextmanager
def store_of(own: StateDict) -> Iterator[None]:
    """Lets Pyro's global parameter store hold `own` inside; afterwards it holds what it did before.

    `own` keeps what becomes of it.
    """
    store = pyro.get_param_store()
    others = store.get_state()
    store.clear()  # set_state adds to what is there
    store.set_state(own)
    try:
        yield
    finally:
        own.update(store.get_state())
        store.clear()
        store.set_state(others)


def _run(network: Network, batches: Batches, loss: Trace_ELBO) -> Run:
    svi, stream = vae_and_svi(network, batches, loss)[1], iter(batches)
    parameters: StateDict = {"params": {}, "constraints": {}}

    def run(steps: int) -> None:
        with store_of(parameters):
            for _ in range(steps):
                svi.step(next(stream))

    return run


def svi(network: Network, batches: Batches) -> Run:
    """Makes the loop of Pyro's tutorial."""
    return _run(network, batches, Trace_ELBO())


def jit(network: Network, batches: Batches) -> Run:
    """Makes the tutorial's loop with --jit."""
    return _run(network, batches, JitTrace_ELBO())
