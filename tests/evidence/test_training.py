"""What trains faster, on pairs as users of Pyro write them."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from torch import nn

from benchmarks.peers.pyro_programs import PROGRAMS
from evidence.recording.private_torch import Unrecordable
from evidence.training import CompiledELBO, FusedAdam, call_recorder
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
    assert compiled.why_eager is None and compiled.recorder.recordings
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_the_comparison_can_fail():
    """Another loss is noticed."""
    eager, _ = losses(Trace_ELBO())
    other, _ = losses(CompiledELBO(Trace_ELBO(num_particles=2), backend=None))
    assert other != pytest.approx(eager, rel=1e-6)


def trained(program, wrap, steps=8):
    """(losses, Pyro's store, the loss) of Pyro's own SVI and optimizer."""
    pyro.clear_param_store()
    torch.manual_seed(0)
    made = PROGRAMS[program]()
    loss = wrap(made.loss)
    svi = SVI(made.model, made.guide, pyro.optim.Adam({"lr": 1e-2}), loss)
    torch.manual_seed(1)
    found = [svi.step(*made.calls[step % 2]) for step in range(steps)]
    return found, {name: value.detach().clone() for name, value in store().items()}, loss


def store():
    return pyro.get_param_store()


@pytest.mark.filterwarnings("ignore:TraceEnum_ELBO found no sample sites")  # labels are given
@pytest.mark.parametrize(
    "backend", [None, pytest.param("inductor", marks=pytest.mark.verify)], ids=str
)
@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_every_kind_train_as_eagerly(program, backend):
    """Functions, the store, enumeration, sequences, subsamples, buffers: with Pyro's optimizer."""
    expected, parameters, _ = trained(program, lambda loss: loss)
    found, learned, compiled = trained(program, lambda loss: CompiledELBO(loss, backend=backend))
    assert compiled.why_eager is None and len(compiled.recorder.recordings) == 1
    assert found == pytest.approx(expected, rel=1e-6 if backend is None else 1e-5)
    assert parameters and learned.keys() == parameters.keys()
    torch.testing.assert_close(learned, parameters, rtol=1e-4, atol=1e-5)


def test_a_buffer_moves_on_as_eagerly():
    def statistics(wrap):
        torch.manual_seed(0)
        made = PROGRAMS["topics"]()
        svi = SVI(made.model, made.guide, pyro.optim.Adam({"lr": 1e-2}), wrap(made.loss))
        for step in range(5):
            svi.step(*made.calls[step % 2])
        norm = made.model.__self__.norm
        return norm.running_mean.clone(), norm.num_batches_tracked.clone()

    expected = statistics(lambda loss: loss)
    pyro.clear_param_store()
    found = statistics(lambda loss: CompiledELBO(loss, backend=None))
    torch.testing.assert_close(found, expected)
    assert int(expected[1]) == 5


def regression(x, weight):
    scale = torch.ones(len(x))
    return pyro.sample("x", dist.Normal(weight * scale, 1.0).to_event(1), obs=x)


def why_eager(model, guide, calls):
    told = []
    compiled = CompiledELBO(tell=told.append, backend=None)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 1e-2}), compiled)
    for call in calls:
        svi.step(*call)
    assert len(told) == (compiled.why_eager is not None)
    return compiled


def of_store(x, *rest):
    regression(x, pyro.param("weight", torch.tensor(0.5)))


def nothing(x, *rest):
    pass


def test_what_changes_unseen_is_not_recorded():
    """A tensor that is another one at every call, and an object that nobody can compare."""
    kept = [torch.zeros(())]

    def drifting(x):
        kept[0] = kept[0] + 1
        regression(x, pyro.param("weight", torch.tensor(0.5)) + kept[0])

    x = torch.randn(4)
    assert "another one at every call" in why_eager(drifting, nothing, [(x,)] * 3).why_eager
    pyro.clear_param_store()
    assert "a dict" in why_eager(of_store, nothing, [(x, {})] * 3).why_eager


def test_a_tensor_of_ones_own_that_moves_on_is_not_recorded():
    """Trials would move it, too: only buffers are known early enough to be put back."""
    count = torch.zeros(())

    def counting(x):
        regression(x, pyro.param("weight", torch.tensor(0.5)) + count.add_(1))

    assert "no buffer" in why_eager(counting, nothing, [(torch.randn(4),)] * 3).why_eager


def test_numbers_that_change_at_every_call_are_said():
    calls = [(torch.randn(4), step / 7) for step in range(call_recorder.OFTEN + 1)]
    assert "as tensors" in why_eager(of_store, nothing, calls).why_eager


def test_other_kinds_of_calls_are_recorded_once_they_come_often():
    short, long = torch.randn(3), torch.randn(4)
    calls = [(long,)] * 3 + [(short,)] * (call_recorder.OFTEN - 1)
    compiled = why_eager(of_store, nothing, calls)
    assert len(compiled.recorder.recordings) == 1
    pyro.clear_param_store()
    compiled = why_eager(of_store, nothing, [*calls, (short,)])
    assert len(compiled.recorder.recordings) == 2


def test_another_store_is_noticed():
    """A recording would go on with tensors that the store no longer has."""
    compiled = CompiledELBO(backend=None)
    svi = SVI(of_store, nothing, pyro.optim.Adam({"lr": 0.1}), compiled)
    x = torch.full((4,), 3.0)
    for _ in range(3):
        svi.step(x)
    pyro.clear_param_store()
    assert svi.step(x) == pytest.approx(-dist.Normal(0.5, 1.0).log_prob(x).sum().item(), rel=1e-6)
    before = store()["weight"].item()
    svi.step(x)
    assert store()["weight"].item() > before


def test_a_parameter_that_fused_adam_was_not_given_is_refused():
    svi = SVI(of_store, nothing, FusedAdam([nn.Linear(1, 1)], 0.1), Trace_ELBO())
    with pytest.raises(ValueError, match="in none of the modules"):
        svi.step(torch.randn(4))


class Turned(nn.Module):
    """Weights that are used transposed: so is their gradient, as autograd computes it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3) / 10)

    def model(self, x):
        pyro.module("turned", self)
        with pyro.plate("data", len(x)):
            mean = x[:, :2] @ self.weight.t().contiguous().t()
            pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x[:, 2:])

    def guide(self, x):
        pass


@pytest.mark.parametrize("backend", [None, "inductor"])
def test_gradients_lie_as_their_parameters_do(backend):
    """A fused optimizer goes through the memory of both."""
    ends = []
    for loss in (Trace_ELBO(), CompiledELBO(backend=backend)):
        pyro.clear_param_store()
        torch.manual_seed(0)
        pair, x = Turned(), torch.randn(20, 5)
        svi = SVI(pair.model, pair.guide, FusedAdam([pair], 0.05), loss)
        for _ in range(10):
            svi.step(x)
        ends.append(pair.weight.detach())
    torch.testing.assert_close(*ends, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("argument", [object(), [object()], ([1, (object(),)],)])
def test_an_argument_that_may_be_another_one_is_not_recorded_however_deep(argument):
    """Planted: a check that does not look into lists."""
    arguments = call_recorder.Arguments.of((torch.zeros(2), argument), {})
    with pytest.raises(Unrecordable, match="an argument is a object"):
        arguments.check_recordable()
    call_recorder.Arguments.of((torch.zeros(2), [1, ("a", None)]), {}).check_recordable()


def test_an_optimizer_goes_on_where_another_one_stopped():
    """With its moments, its count and the place of its schedule."""

    def steps(optimizer, layer, seeds):
        for seed in seeds:
            for parameter in layer.parameters():
                generator = torch.Generator().manual_seed(seed)
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()

    def made():
        torch.manual_seed(0)
        layer = nn.Linear(2, 3)
        return layer, FusedAdam([layer], 0.1, lambda step: 1 / (1 + step), weight_decay=0.1)

    (whole, one), (first, other), (second, third) = made(), made(), made()
    steps(one, whole, range(6))
    steps(other, first, range(3))
    second.load_state_dict(first.state_dict())
    third.set_state(other.get_state())
    steps(third, second, range(3, 6))
    torch.testing.assert_close(second.state_dict(), whole.state_dict(), rtol=0, atol=0)
