"""NumPyro with a jitted loop over the steps of an epoch, as its VAE example has it. JAX on the CPU."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from jax import lax, random
from numpyro.infer import SVI, Trace_ELBO

from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, PIXELS, Batches, Network, grey


def svi(network: Network, batches: Batches) -> Run:
    """One `fori_loop` a call; batches are binarised in it, where they are."""
    machine = SVI(model(network), guide(network), numpyro.optim.Adam(LEARNING_RATE), Trace_ELBO())
    ready, images = jnp.asarray(batches.ready().numpy()), jnp.asarray(grey().numpy())
    state = machine.init(random.PRNGKey(0), ready[0])

    def batch(i: Any, key: Any) -> Any:
        if not batches.binarise:
            return ready[i % len(ready)]
        index, bits = random.split(random.fold_in(key, i))
        values = images[random.randint(index, (batches.size,), 0, len(images))]
        return (random.uniform(bits, values.shape) * 255 < values).astype(jnp.float32)

    @jax.jit
    def epoch(state: Any, steps: int, key: Any) -> Any:
        return lax.fori_loop(0, steps, lambda i, s: machine.update(s, batch(i, key))[0], state)

    def run(steps: int) -> None:
        nonlocal state
        state = jax.block_until_ready(epoch(state, steps, random.PRNGKey(steps)))

    return run


def perceptron(name: str, *widths: int) -> Any:
    """Linear maps with softplus between them, registered as parameters."""

    def apply(x: Any) -> Any:
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            w = numpyro.param(f"{name}.{i}.w", lambda key, a=a, b=b: random.uniform(key, (a, b), minval=-1, maxval=1) * a**-0.5)
            bias = numpyro.param(f"{name}.{i}.b", jnp.zeros(b))
            x = (jax.nn.softplus(x) if i else x) @ w + bias
        return x

    return apply


def model(network: Network) -> Any:
    """p(z) p(x|z)."""
    decoder = perceptron("decoder", network.latent, *reversed(network.hidden), PIXELS)

    def program(x: Any) -> None:
        with numpyro.plate("data", x.shape[0]):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(network.latent), 1).to_event(1))
            numpyro.sample("x", dist.Bernoulli(logits=decoder(z)).to_event(1), obs=x)

    return program


def guide(network: Network) -> Any:
    """q(z|x)."""
    encoder = perceptron("encoder", PIXELS, *network.hidden, 2 * network.latent)

    def program(x: Any) -> None:
        with numpyro.plate("data", x.shape[0]):
            mean, log_scale = jnp.split(encoder(x), 2, axis=-1)
            numpyro.sample("z", dist.Normal(mean, jnp.exp(log_scale)).to_event(1))

    return program
