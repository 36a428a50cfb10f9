"""Contenders do the same work.

They have the same loss at the same weights and noise, and the same weights after training.
"""

import importlib.util

import pytest
import torch
import torch.distributions.normal
from torch.distributions import Bernoulli, Normal, kl_divergence

from benchmarks import train_step
from benchmarks.networks import Network, Perceptron
from benchmarks.peers import ours, pyro_tutorial, torch_loop
from benchmarks.workload import Batches
from guides.families.base import posterior_scale
from inference.objectives.elbo import ELBO
from networks.mlp import MLP
from tests.benchmarks.watched import SMALL, Watched, row, start

BATCHES, STEPS = Batches(8), 20
FLOOR, NUMPYRO = "matrix products alone", "NumPyro, jitted"
COMPILING = ("this project, compiled", "torch by hand, torch.compile")
TORCH = [name for name in train_step.contenders("cpu") if name not in (FLOOR, NUMPYRO)]

has_numpyro = importlib.util.find_spec("numpyro") is not None
needs_numpyro = pytest.mark.skipif(not has_numpyro, reason="NumPyro is not installed")
every_network = pytest.mark.parametrize("network", SMALL.values(), ids=list(SMALL))
every_contender = pytest.mark.parametrize(
    "name", [*TORCH, pytest.param(NUMPYRO, marks=needs_numpyro)]
)
quiet_jit = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")


@pytest.fixture
def uncompiled(monkeypatch):
    """What would be compiled runs as it was recorded: compilers take their time."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


@pytest.fixture
def noiseless(monkeypatch):
    """z is the mean of q. If q is also narrow, all estimators of the ELBO have equal gradients."""
    monkeypatch.setattr(torch, "randn_like", lambda like: torch.zeros(like.shape))
    monkeypatch.setattr(
        torch.distributions.normal,
        "_standard_normal",
        lambda shape, dtype, device: torch.zeros(shape),
    )
    if has_numpyro:
        import jax

        monkeypatch.setattr(
            jax.random, "normal", lambda key, shape=(), dtype=float: jax.numpy.zeros(shape)
        )


def trained(name: str, network: Network, begin) -> Watched:
    """The contender after STEPS steps from there."""
    watched = Watched(network, begin)
    run = train_step.contenders("cpu")[name](watched, BATCHES)
    run(STEPS)
    if name == NUMPYRO:
        watched.take(run.svi.get_params(run.state))
    return watched


def distance_from_by_hand(name: str, network: Network) -> float:
    """Between the ends of training by `name` and by hand, of the way there."""
    begin = start(network, raw_scale=-4.0)  # σ² = 3e-6
    reference, end = (trained(each, network, begin).now for each in ("torch by hand", name))
    return float((row(end) - row(reference)).norm() / (row(reference) - row(begin)).norm())


@quiet_jit
@every_network
@every_contender
def test_contenders_end_where_torch_by_hand_does(name, network, uncompiled, noiseless):
    # It is 6e-5, since Adam's ε weighs less beside a loss of all data.
    assert distance_from_by_hand(name, network) < 1e-3


@pytest.mark.verify
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch.compile looks at what it traces
@every_network
@pytest.mark.parametrize("name", COMPILING)
def test_compiled_contenders_do_too(name, network, noiseless):
    assert distance_from_by_hand(name, network) < 1e-3


def other_rate(monkeypatch):
    monkeypatch.setattr(ours, "LEARNING_RATE", 1.1e-3)


def other_activation(monkeypatch):
    monkeypatch.setattr(
        Perceptron, "project", lambda self, inputs, outputs: MLP(inputs, outputs, 8, 2, "gelu")
    )


@pytest.mark.parametrize("plant", [other_rate, other_activation])
def test_other_work_is_noticed(plant, noiseless, monkeypatch):
    plant(monkeypatch)
    assert distance_from_by_hand("this project, eager", SMALL["perceptron"]) > 1e-2


def parts(network: Network, begin, x):
    """q, p(z), z by the noise of seed 0, log p(x|z), from the networks by hand."""
    watched = Watched(network, begin)
    mean, raw_scale = watched.encoder()(x).chunk(2, dim=-1)
    q, prior = (
        Normal(mean, posterior_scale(raw_scale)),
        Normal(torch.zeros_like(mean), torch.ones_like(mean)),
    )
    torch.manual_seed(0)
    z = q.rsample()
    return q, prior, z, Bernoulli(logits=watched.decoder()(z)).log_prob(x).sum(-1)


@every_network
@torch.no_grad()
def test_losses_are_the_same_at_the_same_weights_and_noise(network):
    begin, x = start(network), next(iter(BATCHES))
    q, prior, z, log_likelihood = parts(network, begin, x)
    closed = kl_divergence(q, prior).sum(-1)
    sampled = (q.log_prob(z) - prior.log_prob(z)).sum(-1)
    for loss, kl in (by_hand, closed), (by_pyro, sampled), (by_this_project, sampled):
        found = loss(Watched(network, begin), x)
        assert found == pytest.approx(float((kl - log_likelihood).mean()), rel=1e-6)


def by_hand(network, x) -> float:
    vae = torch_loop.VAE(network)
    torch.manual_seed(0)
    return float(vae(x))


def by_pyro(network, x) -> float:
    svi = pyro_tutorial.vae_and_svi(network, BATCHES)[1]
    torch.manual_seed(0)
    with pyro_tutorial.store_of({"params": {}, "constraints": {}}):
        return svi.evaluate_loss(x) / len(x)


def by_this_project(network, x) -> float:
    pair = ours.pair(network)
    torch.manual_seed(0)
    return float(ELBO().differentiable_loss(*pair, x.view(-1, *network.shape))) / len(x)


@needs_numpyro
@every_network
def test_numpyros_density_is_the_same_at_the_same_z(network):
    from numpyro.infer.util import log_density

    from benchmarks.peers.numpyro_loop import Loop

    begin, x = start(network), next(iter(BATCHES))
    with torch.no_grad():
        q, prior, z, log_likelihood = parts(network, begin, x)
    loop = Loop(Watched(network, begin), BATCHES)
    at = {**loop.svi.get_params(loop.state), "z": z.numpy()}
    for program, expected in (
        (loop.svi.guide, q.log_prob(z).sum()),
        (loop.svi.model, (prior.log_prob(z).sum() + log_likelihood.sum())),
    ):
        assert float(log_density(program, (x.numpy(),), {}, at)[0]) == pytest.approx(
            float(expected), rel=1e-5
        )


@every_network
@torch.no_grad()
def test_training_lowers_the_loss(network):
    """By hand, and so in all that end where that does."""
    begin, x = start(network), next(iter(BATCHES))
    with torch.enable_grad():
        end = trained("torch by hand", network, begin).now
    assert by_hand(Watched(network, end), x) < by_hand(Watched(network, begin), x) - 1.0  # nats
