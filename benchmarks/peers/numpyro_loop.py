"""NumPyro with a jitted loop over the steps of an epoch, as its VAE example has it.

With convolutions it runs a jitted step at a time: on the CPU, XLA has its fast convolutions outside
of loops only. A step of conv-50 took 6.9 s within a loop and 0.4 s outside.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import Array, lax, random
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.svi import SVIState
from torch import nn

from benchmarks.networks import Network
from benchmarks.peers.jax_layers import in_jax
from benchmarks.workload import LEARNING_RATE, Batches, grey


class Loop:
    """Runs a `fori_loop` a call, or a step a call, and binarises if batches are binarised."""

    def __init__(self, network: Network, batches: Batches) -> None:
        self.batches = batches
        self.ready = jnp.asarray(batches.ready().numpy())
        self.images = jnp.asarray(grey().numpy())
        adam = numpyro.optim.Adam(LEARNING_RATE)
        self.svi = SVI(model(network), guide(network), adam, Trace_ELBO())
        self.state = self.svi.init(random.PRNGKey(0), self.ready[0])
        convolves = any(isinstance(layer, nn.Conv2d) for layer in network.encoder())
        self.epoch, self.step = (None if convolves else jax.jit(self._epoch)), jax.jit(self._step)

    def __call__(self, steps: int) -> None:
        key = random.PRNGKey(steps)
        if self.epoch is not None:
            self.state = self.epoch(self.state, steps, key)
        else:
            for i in range(steps):
                self.state = self.step(self.state, i, key)
        jax.block_until_ready(self.state)

    def _epoch(self, state: SVIState, steps: Array, key: Array) -> SVIState:
        return lax.fori_loop(0, steps, lambda i, s: self._step(s, i, key), state)

    def _step(self, state: SVIState, i: Array, key: Array) -> SVIState:
        return self.svi.update(state, self._batch(i, key))[0]

    def _batch(self, i: Array, key: Array) -> Array:
        if not self.batches.binarise:
            return self.ready[i % len(self.ready)]
        index, bits = random.split(random.fold_in(key, i))
        values = self.images[random.randint(index, (self.batches.size,), 0, len(self.images))]
        return (random.uniform(bits, values.shape) * 255 < values).astype(jnp.float32)


def model(network: Network) -> Callable[[Array], None]:
    """Makes the program p(z) p(x|z)."""
    decoder = in_jax(network.decoder(), "decoder")

    def program(x: Array) -> None:
        with numpyro.plate("data", x.shape[0]):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(network.latent), 1).to_event(1))
            numpyro.sample("x", dist.Bernoulli(logits=decoder(z)).to_event(1), obs=x)

    return program


def guide(network: Network) -> Callable[[Array], None]:
    """Makes the program of q(z|x) from the encoder."""
    encoder = in_jax(network.encoder(), "encoder")

    def program(x: Array) -> None:
        with numpyro.plate("data", x.shape[0]):
            mean, raw_scale = jnp.split(encoder(x), 2, axis=-1)
            # as guides.families.base.posterior_scale does
            scale = jax.nn.softplus(raw_scale + math.log(math.expm1(0.1)))
            numpyro.sample("z", dist.Normal(mean, scale).to_event(1))

    return program
