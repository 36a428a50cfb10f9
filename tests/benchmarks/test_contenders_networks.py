"""One network, whoever builds it: this project, torch by hand, JAX.

The tests also count what it takes to multiply through it.
"""

import importlib.util

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.networks import CONVOLUTIONAL, DEEPER, PIXELS, TUTORIAL
from benchmarks.peers import matrix_products, torch_loop
from benchmarks.workload import Batches
from tests.benchmarks.watched import SMALL, Watched, start, weights

MEASURED = {str(network): network for network in (TUTORIAL, DEEPER, CONVOLUTIONAL)}
needs_numpyro = pytest.mark.skipif(
    importlib.util.find_spec("numpyro") is None, reason="NumPyro is not installed"
)


def ends(network, images=6):
    """(name, where this project's network leads from and to, what goes into it)."""
    x, z = (torch.rand(images, PIXELS) < 0.5).float(), torch.randn(images, network.latent)
    return [
        ("encoder", (network.shape, (2 * network.latent,)), x),
        ("decoder", ((network.latent,), network.shape), z),
    ]


@pytest.mark.parametrize("network", [*MEASURED.values(), *SMALL.values()], ids=str)
def test_by_hand_computes_what_this_project_does(network):
    watched = Watched(network, start(network))
    for name, shapes, inputs in ends(network):
        ours, by_hand = watched.project(*shapes), getattr(watched, name)()
        assert [w.numel() for w in weights(ours)] == [w.numel() for w in weights(by_hand)]
        torch.testing.assert_close(ours(inputs.view(-1, *shapes[0])).flatten(1), by_hand(inputs))


@needs_numpyro
def test_jax_computes_what_torch_does():
    import numpyro

    from benchmarks.peers.jax_layers import in_jax

    for name, _, inputs in ends(CONVOLUTIONAL):
        layers = getattr(CONVOLUTIONAL, name)()
        with numpyro.handlers.seed(rng_seed=0), numpyro.handlers.trace() as sites:
            found = in_jax(layers, name)(inputs.numpy())
        assert sum(site["value"].size for site in sites.values()) == sum(
            w.numel() for w in layers.parameters()
        )
        torch.testing.assert_close(
            torch.tensor(found.__array__()), layers(inputs).detach(), atol=1e-5, rtol=1e-4
        )


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """torch counts no operations of oneDNN's."""
    monkeypatch.setattr("evidence.recording.products.onednn_is_faster", lambda: False)


def flops(run) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize("network", MEASURED.values(), ids=list(MEASURED))
def test_the_floor_multiplies_as_much_as_a_step_does(network):
    batches = Batches(4)
    vae, x, floor = (
        torch_loop.VAE(network),
        next(iter(batches)),
        matrix_products.products(network, batches),
    )
    assert flops(lambda: floor(1)) == flops(lambda: vae(x).backward())
    forwards = flops(lambda: vae(x))
    assert 2 * 4 * sum(matrix_products.multiplications(network)) == forwards


def test_particles_pass_through_the_decoder():
    one, five = (matrix_products.products(DEEPER, Batches(4), particles) for particles in (1, 5))
    decoder = (
        3 * 2 * 4 * matrix_products.multiplications(DEEPER)[1]
    )  # forwards, to the weights, to what came in
    assert flops(lambda: five(1)) - flops(lambda: one(1)) == 4 * decoder
