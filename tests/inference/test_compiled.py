"""Compiled and eager are the same function of parameters, batch and noise."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from torch import nn

import inference.fast.compiled
from inference.fast.compile_choice import choose
from inference.fast.compiled import CompiledELBO, eager_loss_and_grads
from inference.fast.step import NonFinite, Step
from inference.objectives.elbo import ELBO
from inference.optimiser import FusedAdam
from tests.choices import CHOICES, COMPANIONS, opened
from tests.conftest import ROOT

EAGER_ONLY = {("model", "gmvae"): "data-dependent control flow"}
"""Choices that cannot be recorded (Pyro's enumeration leaves out what has probability 0), and what is said about them."""

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def measured(loss_and_grads, model, guide, batch, seed):
    """Loss, gradients, and the next number of the generator: (loss, {name: gradient}, number)."""
    pair = nn.ModuleDict({"model": model, "guide": guide})
    for parameter in pair.parameters():
        parameter.grad = None
    torch.manual_seed(seed)
    with pyro.validation_enabled(False):
        loss = loss_and_grads(model, guide, *batch)
    return (
        loss,
        {n: p.grad for n, p in pair.named_parameters() if p.grad is not None},
        torch.rand(()),
    )


def assert_same(compiled, eager, **tolerance):
    assert torch.equal(compiled[2], eager[2]), "they drew different amounts of noise"
    torch.testing.assert_close(compiled[0], eager[0], **tolerance)
    assert compiled[1].keys() == eager[1].keys()
    for name in eager[1]:
        torch.testing.assert_close(
            compiled[1][name], eager[1][name], msg=lambda m, name=name: f"{name}: {m}", **tolerance
        )


@pytest.mark.parametrize(("axis", "choice"), CHOICES, ids=lambda value: value)
def test_recorded_equals_eager_for_every_choice(axis, choice, float64):
    """Loss, every gradient and the use of the generator, on a batch and noise other than the recorded ones."""
    model, guide, objective, batches = opened(
        f"{axis}={choice}", *COMPANIONS.get((axis, choice), [])
    )
    elbo = CompiledELBO(objective, per_datum=True, backend=None)
    for seed, batch in enumerate(batches):
        compiled = measured(elbo.loss_and_grads, model, guide, batch, seed)
        eager = measured(
            lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a), model, guide, batch, seed
        )
        assert_same(compiled, eager, rtol=1e-9, atol=1e-9)
        with torch.no_grad():  # other parameters, too
            for parameter in [*model.parameters(), *guide.parameters()]:
                parameter.add_(0.01 * torch.randn_like(parameter))
    if (axis, choice) in EAGER_ONLY:
        assert EAGER_ONLY[axis, choice] in (elbo.why_eager or "")
    else:
        assert elbo.why_eager is None


def test_the_comparison_can_fail():
    """Noise frozen into the graph, the classical mistake, is noticed."""
    model, guide, objective, (batch, _) = opened()
    elbo = CompiledELBO(objective, backend=None)
    first = measured(elbo.loss_and_grads, model, guide, batch, seed=0)
    again = measured(elbo.loss_and_grads, model, guide, batch, seed=1)
    with pytest.raises(AssertionError):
        assert_same(first, again)


@needs_compiler
@pytest.mark.parametrize(
    "overrides",
    [["network.width=20"], ["guide=full_covariance", "objective=analytic_kl", "network.width=20"]],
    ids=str,
)
def test_inductor_equals_eager(overrides):
    """In float32, to rounding: the bound is that of a sum of the batch's terms."""
    model, guide, objective, batches = opened(*overrides)
    elbo = CompiledELBO(objective, per_datum=True)
    for seed, batch in enumerate(batches):
        compiled = measured(elbo.loss_and_grads, model, guide, batch, seed)
        eager = measured(
            lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a), model, guide, batch, seed
        )
        assert_same(compiled, eager, rtol=1e-4, atol=1e-4)
    assert elbo.why_eager is None


class Odd(nn.Module):
    """A guide with a parameter that the loss does not depend on, and a buffer that it changes in place."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen.add_(1)
        return pyro.sample("z", dist.Normal((x * self.used).sum(-1) * self.seen, 1.0).to_event(1))


@pytest.mark.parametrize("backend", [None, pytest.param("inductor", marks=needs_compiler)])
def test_unused_parameters_changed_buffers_and_other_strides(backend):
    guide, batches = Odd(), [torch.rand(3, 3), torch.rand(3, 3), torch.rand(3, 3).T]
    elbo = CompiledELBO(NoiseItself(), backend=backend)
    elbo.loss_and_grads(Odd(), guide, torch.rand(3, 3))  # compiles
    for count, x in enumerate(batches):
        found = []
        for loss_and_grads in (
            elbo.loss_and_grads,
            lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a),
        ):
            guide.seen.fill_(count)
            found.append(measured(loss_and_grads, elbo._recording.pair.model, guide, (x,), count))
            assert guide.seen == count + 1
        assert_same(*found, rtol=1e-5, atol=1e-5)
        assert list(found[0][1]) == ["guide.used"]
    assert elbo.why_eager is None


def test_recording_and_validating_leave_buffers_as_they_are():
    """Eager or recorded, a step is one forward of the programs."""
    counts = []
    for compiled in (False, True):
        guide = Odd()
        step = Step(Odd(), guide, FusedAdam((guide,), 1e-3), NoiseItself(), compiled)
        step.loss.backend = None
        step(torch.rand(3, 3))
        counts.append(guide.seen.item())
    assert counts == [1, 1]


class Location(nn.Module):
    """A model whose loss is −z, so that its losses are the noise itself."""

    def __init__(self):
        super().__init__()
        self.location = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return pyro.sample("z", dist.Normal(self.location, 1.0))


class NoiseItself:
    """−z, of a batch."""

    def differentiable_loss(self, model, guide, x):
        return -guide(x).sum()


def test_noise_is_fresh_normal_and_seeded():
    """4,000 steps: Kolmogorov–Smirnov against N(0,1) and the lag-1 correlation, each at error probability 1e-6."""
    guide, x = Location(), torch.zeros(1)
    elbo = CompiledELBO(NoiseItself(), backend=None)

    def draws(seed):
        torch.manual_seed(seed)
        return torch.stack([elbo.loss_and_grads(guide, guide, x) for _ in range(4000)]).double()

    z = draws(0)
    assert elbo.why_eager is None
    assert torch.equal(z, draws(0)) and not torch.equal(z, draws(1))
    empirical, true = torch.arange(1, 4001) / 4000, torch.special.ndtr(z.sort().values)
    bound = (
        torch.log(torch.tensor(2 / 1e-6)) / 8000
    ).sqrt()  # Dvoretzky, Kiefer & Wolfowitz, Massart 1990
    assert (empirical - true).abs().max() < bound
    assert abs(torch.corrcoef(torch.stack([z[1:], z[:-1]]))[0, 1]) < 4.9 / 4000**0.5
    assert (
        empirical - torch.special.ndtr(1.2 * z.sort().values)
    ).abs().max() > bound / 2  # 20 % too wide shows


def test_another_shape_runs_eagerly_and_is_right(float64):
    model, guide, objective, (batch, _) = opened()
    elbo = CompiledELBO(objective, per_datum=True, backend=None)
    elbo.loss_and_grads(model, guide, *batch)
    short = tuple(x[:3] for x in batch)
    compiled = measured(elbo.loss_and_grads, model, guide, short, 0)
    assert_same(
        compiled,
        measured(
            lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a), model, guide, short, 0
        ),
    )
    assert elbo.why_eager is None


class Scaled(Trace_ELBO):
    """An ELBO times `weight`."""

    def __init__(self, weight, varying=()):
        super().__init__()
        self.weight, self.varying = weight, varying

    def differentiable_loss(self, model, guide, *batch):
        return self.weight * super().differentiable_loss(model, guide, *batch)


@pytest.mark.parametrize(
    ("weight", "varying", "recordings"),
    [(2.0, (), 2), (2.0, ("weight",), 1), (torch.tensor(2.0), (), 1)],
    ids=str,
)
def test_a_number_of_the_objective_may_change(float64, monkeypatch, weight, varying, recordings):
    """A named one and a tensor without recording again, any other by recording again."""
    model, guide, _, (batch, _) = opened()
    elbo = CompiledELBO(Scaled(weight, varying), backend=None)
    made = []
    init = inference.fast.compiled.Recording.__init__
    monkeypatch.setattr(
        inference.fast.compiled.Recording,
        "__init__",
        lambda self, *a: (made.append(1), init(self, *a))[1],
    )
    before = measured(elbo.loss_and_grads, model, guide, batch, 0)
    elbo.objective.weight = weight * 3
    after = measured(elbo.loss_and_grads, model, guide, batch, 0)
    torch.testing.assert_close(after[0], 3 * before[0])
    assert len(made) == recordings and elbo.why_eager is None


class Branching(ELBO):
    """Depends on the numbers at hand, which no graph holds."""

    def differentiable_loss(self, model, guide, *batch):
        loss = super().differentiable_loss(model, guide, *batch)
        return loss if loss > 0 else 2 * loss


class Counting(nn.Module):
    """A decoder that replaces its buffer."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, z):
        self.calls = self.calls + 1
        return self.decoder(z)


class Params(nn.Module):
    """A model in Pyro's older style."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        pyro.param("unused", torch.zeros(()))
        return self.model(x)


@pytest.mark.parametrize("spoil", ["branch", "buffer", "param", "function"])
def test_what_cannot_be_recorded_runs_eagerly_and_says_why(float64, spoil):
    model, guide, objective, (batch, _) = opened()
    if spoil == "branch":
        objective = Branching()
    elif spoil == "buffer":
        model.decoder = Counting(model.decoder)
    elif spoil == "param":
        model = Params(model)
    if spoil == "function":
        elbo, inner = CompiledELBO(objective, backend=None), model
        loss = elbo.loss_and_grads(lambda x: inner(x), guide, *batch)
        assert loss.isfinite()
    else:
        elbo = CompiledELBO(objective, backend=None)
        compiled = measured(elbo.loss_and_grads, model, guide, batch, 0)
        assert_same(
            compiled,
            measured(
                lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a),
                model,
                guide,
                batch,
                0,
            ),
        )
    reason = {
        "branch": "",
        "buffer": "model.decoder.calls",
        "param": "pyro.param",
        "function": "must be modules",
    }[spoil]
    pyro.clear_param_store()
    assert elbo.why_eager and reason in elbo.why_eager and "\n" not in elbo.why_eager


def test_buffers_are_inputs(float64):
    """A buffer that is assigned anew between steps is read anew."""
    model, guide, objective, (batch, _) = opened()
    model.prior.register_buffer("shift", torch.zeros(()))
    prior = type(model.prior).forward
    model.prior.forward = lambda: dist.Normal(model.prior.shift.expand(3), 1.0).to_event(1)
    elbo = CompiledELBO(objective, backend=None)
    for shift in (0.0, 5.0):
        model.prior.shift = torch.tensor(shift)
        compiled = measured(elbo.loss_and_grads, model, guide, batch, 0)
        assert_same(
            compiled,
            measured(
                lambda *a: eager_loss_and_grads(elbo.differentiable_loss, *a),
                model,
                guide,
                batch,
                0,
            ),
        )
    assert elbo.why_eager is None and prior is not None


def test_drop_in_for_trace_elbo():
    """Pyro's own SVI takes it, and returns the loss of the whole batch as a number."""
    losses = []
    for wrap in (
        lambda objective: objective.differentiable_loss,
        lambda objective: CompiledELBO(objective, backend=None),
    ):
        torch.manual_seed(0)
        model, guide, objective, (batch, other) = opened()
        svi = SVI(model, guide, FusedAdam((model, guide), 1e-2), loss=wrap(objective))
        torch.manual_seed(1)
        losses.append([svi.step(*x) for x in (batch, other, batch)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_broken_step_changes_nothing_and_names_the_site(monkeypatch, compiled):
    model, guide, objective, (batch, _) = opened()
    step = Step(model, guide, FusedAdam((model, guide), 1e-2), objective, compiled)
    step.loss.backend = None
    step(*batch)
    before = [p.clone() for p in [*model.parameters(), *guide.parameters()]]
    broken = (torch.full_like(batch[0], torch.nan), *batch[1:])
    with pytest.raises(NonFinite, match="loss nan at site 'z' of the guide"):
        step(*broken)
    assert all(map(torch.equal, before, [*model.parameters(), *guide.parameters()]))


def test_losses_read_together_name_the_step():
    """As on a GPU: the losses of several steps are read at once, and the first that broke is found."""
    model, guide, objective, (batch, _) = opened()
    step = Step(model, guide, FusedAdam((model, guide), 1e-2), objective, compiled=False)
    step.losses = [
        torch.tensor(1.0),
        torch.tensor(torch.inf),
        torch.tensor(2.0),
        torch.tensor(torch.nan),
    ]
    with pytest.raises(NonFinite) as caught:
        step.read(*batch)
    assert caught.value.steps_ago == 2
    assert step.read(*batch) == []


def test_choice(monkeypatch):
    """auto compiles what is long enough, keeps what a run did before, and needs a compiler."""
    assert not choose("auto", 100).compiled and choose("auto", 10**6).compiled
    assert choose("on", 1).compiled and not choose("off", 10**6).compiled
    assert (
        not choose("auto", 10**6, before=False).compiled and choose("auto", 1, before=True).compiled
    )
    assert "bit for bit" in choose("on", 10**6, before=False).line
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not choose("on", 10**6).compiled and "no C++ compiler" in choose("auto", 10**6).line
    assert all("\n" not in choose(r, n).line for r in ("auto", "on", "off") for n in (1, 10**6))


@needs_compiler
@pytest.mark.verify
def test_compiled_run_resumes_bit_for_bit(tmp_path):
    """Six epochs at once, and three then three, compiled: the same weights, to the last bit."""

    def train(run_dir: Path, *options: str) -> None:
        command = [
            sys.executable,
            "train.py",
            f"run_dir={run_dir}",
            "train.compile=on",
            "network.width=20",
            *options,
        ]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    train(tmp_path / "whole", "train.epochs=6")
    script = (
        "import sys, inference.loop as loop; record = loop.record_metrics\n"
        "def stop(training, *a):\n"
        "    found = record(training, *a)\n"
        "    a[-1].save(training.state(), training.best()) if training.epoch == 3 else None\n"
        "    sys.exit(3) if training.epoch == 3 else None\n"
        "    return found\n"
        "loop.record_metrics = stop\n"
    )
    options = [
        f"run_dir={tmp_path / 'parts'}",
        "train.compile=on",
        "network.width=20",
        "train.epochs=6",
    ]
    start = "import runpy; runpy.run_path('train.py', run_name='__main__')"
    run = f"import sys; sys.argv = ['train.py', *{options!r}]\n{script}\n{start}"
    assert (
        subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True).returncode == 3
    )
    train(tmp_path / "parts", "train.epochs=6")
    whole, parts = (
        torch.load(tmp_path / d / "checkpoint-last.pt", weights_only=True)
        for d in ("whole", "parts")
    )
    assert whole["compiled"] and parts["compiled"] and parts["epoch"] == 6
    for program in ("model", "guide"):
        for name, value in whole[program].items():
            assert torch.equal(value, parts[program][name]), name
