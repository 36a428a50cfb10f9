"""What trains faster, on pairs as users of Pyro write them."""

import pyro
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO

from evidence.training import CompiledELBO, FusedAdam
from examples.measure_your_own_pair import VAE, binary_digits


@pytest.fixture(autouse=True)
def own_parameters():
    """`pyro.module` fills Pyro's store."""
    yield
    pyro.clear_param_store()


def losses(loss, steps=6):
    pyro.clear_param_store()
    torch.manual_seed(0)
    vae, (x, _) = VAE(), binary_digits()
    svi = SVI(vae.model, vae.guide, FusedAdam([vae], 5e-3), loss)
    return [svi.step(x[i * 50 : i * 50 + (50 if i % 3 else 20)]) for i in range(steps)], vae


@pytest.mark.parametrize("loss", [Trace_ELBO, TraceMeanField_ELBO])
def test_the_tutorials_vae_trains_as_eagerly(loss):
    """`pyro.module` inside the programs, two shapes of batches, one store of parameters."""
    compiled = CompiledELBO(loss(), backend=None)
    eager, _ = losses(loss())
    found, vae = losses(compiled)
    assert found == pytest.approx(eager, rel=1e-6)
    assert compiled.why_eager is None and compiled.recorder.last is not None
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_the_comparison_can_fail():
    """Another loss is noticed."""
    eager, _ = losses(Trace_ELBO())
    other, _ = losses(CompiledELBO(Trace_ELBO(num_particles=2), backend=None))
    assert other != pytest.approx(eager, rel=1e-6)


def test_programs_without_a_module_say_so():
    """A closure's parameters are not known: its steps are Pyro's own."""
    told, vae, (x, _) = [], VAE(), binary_digits()
    compiled = CompiledELBO(tell=told.append, backend=None)
    svi = SVI(lambda x: vae.model(x), vae.guide, FusedAdam([vae], 1e-3), compiled)
    torch.manual_seed(0)
    for _ in range(3):
        svi.step(x[:20])
    (line,) = told
    assert "must be modules, or methods of modules" in line
