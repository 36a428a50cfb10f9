"""Compiled and eager are the same function of parameters, batch and noise."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI
from torch import nn

from evidence.batch import Batch
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from inference.fast.compile_choice import choose
from inference.fast.svi import FastSVI
from inference.nonfinite import NonFinite
from inference.objectives.base import Objective
from inference.objectives.elbo import ELBO
from tests.choices import CHOICES, COMPANIONS, opened
from tests.conftest import ROOT

# Choices that cannot be recorded, and what is said about them: Pyro's enumeration leaves out what
# has probability 0.

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class Both:
    """The gradients of one pair, compiled and eager."""

    def __init__(self, model, guide, objective, backend=None):
        self.pair, self.told = nn.ModuleDict({"model": model, "guide": guide}), []
        optimizer = FusedAdam(self.pair.values(), 1e-2)
        self.compiled = FastSVI(
            model, guide, optimizer, objective, tell=self.told.append, backend=backend
        )
        self.eager = FastSVI(model, guide, optimizer, objective, compiled=False)

    def measured(self, svi, batch, seed):
        """(loss, {name: gradient}, the next number of the generator)."""
        for parameter in self.pair.parameters():
            parameter.grad = None
        torch.manual_seed(seed)
        with pyro.validation_enabled(False):
            loss = svi.gradients(Batch(batch))
        named = self.pair.named_parameters()
        return loss, {n: p.grad for n, p in named if p.grad is not None}, torch.rand(())

    def assert_same(self, batch, seed, **tolerance):
        found = [self.measured(svi, batch, seed) for svi in (self.compiled, self.eager)]
        assert_same(*found, **tolerance)


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
    """Loss, gradients and use of the generator, also on a batch that was not recorded."""
    model, guide, objective, batches = opened(
        f"{axis}={choice}", *COMPANIONS.get((axis, choice), [])
    )
    both = Both(model, guide, PerDatum(objective))
    for seed, batch in enumerate(batches):
        both.assert_same(batch, seed, rtol=1e-9, atol=1e-9)
        with torch.no_grad():  # other parameters, too
            for parameter in [*model.parameters(), *guide.parameters()]:
                parameter.add_(0.01 * torch.randn_like(parameter))
    assert both.compiled.is_compiled and not both.told


def test_the_comparison_can_fail():
    """Noise frozen into the graph, the classical mistake, is noticed."""
    model, guide, objective, (batch, _) = opened()
    both = Both(model, guide, objective)
    first, again = (both.measured(both.compiled, batch, seed) for seed in (0, 1))
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
    both = Both(model, guide, PerDatum(objective), backend="inductor")
    for seed, batch in enumerate(batches):
        both.assert_same(batch, seed, rtol=1e-4, atol=1e-4)
    assert both.compiled.is_compiled


class Odd(nn.Module):
    """A guide with a parameter without gradient, and a buffer that it changes in place."""

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
    both = Both(Odd(), guide, NoiseItself(), backend)
    both.compiled.gradients(Batch.of(torch.rand(3, 3)))  # compiles
    for count, x in enumerate(batches):
        found = []
        for svi in (both.compiled, both.eager):
            guide.seen.fill_(count)
            found.append(both.measured(svi, (x,), count))
            assert guide.seen == count + 1
        assert_same(*found, rtol=1e-5, atol=1e-5)
        assert list(found[0][1]) == ["guide.used"]
    assert both.compiled.is_compiled


def test_recording_and_validating_leave_buffers_as_they_are():
    """Eager or recorded, a step is one forward of the programs."""
    counts = []
    for compiled in (False, True):
        guide = Odd()
        svi = FastSVI(
            Odd(), guide, FusedAdam((guide,), 1e-3), NoiseItself(), compiled, backend=None
        )
        svi.step(torch.rand(3, 3))
        counts.append(guide.seen.item())
    assert counts == [1, 1]


class Location(nn.Module):
    """A model whose loss is −z, so that its losses are the noise itself."""

    def __init__(self):
        super().__init__()
        self.location = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return pyro.sample("z", dist.Normal(self.location, 1.0))


class NoiseItself(Objective):
    """−z, of a batch."""

    def differentiable_loss(self, model, guide, x):
        return -guide(x).sum()


def test_noise_is_fresh_normal_and_seeded():
    """4,000 steps: Kolmogorov–Smirnov against N(0,1) and lag-1 correlation, P(error) 1e-6 each."""
    guide, x = Location(), torch.zeros(1)
    svi = FastSVI(guide, guide, FusedAdam((guide,), 1e-2), NoiseItself(), backend=None)

    def draws(seed):
        torch.manual_seed(seed)
        return torch.stack([svi.gradients(Batch.of(x)) for _ in range(4000)]).double()

    z = draws(0)
    assert svi.is_compiled
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
    both = Both(model, guide, PerDatum(objective))
    both.compiled.gradients(Batch(batch))
    both.assert_same(Batch(batch).first(3), 0)
    assert both.compiled.is_compiled


class Scaled(ELBO):
    """An ELBO times `weight`."""

    def __init__(self, weight, varying=()):
        super().__init__()
        self.weight, self.varying, self.runs = weight, varying, []

    def differentiable_loss(self, model, guide, *batch):
        self.runs.append(1)
        return self.weight * super().differentiable_loss(model, guide, *batch)


@pytest.mark.parametrize(
    ("weight", "varying", "recordings"),
    [(2.0, (), 2), (2.0, ("weight",), 1), (torch.tensor(2.0), (), 1)],
    ids=str,
)
def test_a_number_of_the_objective_may_change(float64, weight, varying, recordings):
    """A named one and a tensor without recording again, any other by recording again."""
    model, guide, _, (batch, _) = opened()
    objective = Scaled(weight, varying)
    both = Both(model, guide, objective)
    before = both.measured(both.compiled, batch, 0)
    objective.weight = weight * 3
    after = both.measured(both.compiled, batch, 0)
    torch.testing.assert_close(after[0], 3 * before[0])
    assert len(objective.runs) == recordings and both.compiled.is_compiled


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


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("branch", ""),
        ("buffer", "model.decoder.calls"),
        ("param", "pyro.param"),
        ("function", "must be modules"),
    ],
)
def test_what_cannot_be_recorded_runs_eagerly_and_says_why(float64, spoil, reason):
    model, guide, objective, (batch, _) = opened()
    both = Both(model, guide, objective)
    if spoil == "branch":
        both = Both(model, guide, Branching())
    elif spoil == "buffer":
        model.decoder = Counting(model.decoder)
    elif spoil == "param":
        both = Both(Params(model), guide, objective)
    if spoil == "function":
        svi = FastSVI(
            lambda x: model(x), guide, both.compiled.optim, objective, tell=both.told.append
        )
        assert svi.gradients(Batch(batch)).isfinite()
    else:
        both.assert_same(batch, 0)
        both.assert_same(batch, 0)
    pyro.clear_param_store()
    (line,) = both.told
    assert line.startswith("train.compile: eager after all: ") and reason in line
    assert "\n" not in line


def test_a_buffer_of_the_moment_is_an_input_of_the_one_graph(float64):
    """A buffer that is assigned anew between steps is read anew, and nothing is recorded anew."""
    model, guide, objective, (batch, _) = opened()
    model.prior.register_buffer("shift", torch.zeros(()))
    model.prior.forward = lambda: dist.Normal(model.prior.shift.expand(3), 1.0).to_event(1)
    both, losses, recordings = Both(model, guide, objective), [], []
    for shift in (0.0, 5.0):
        model.prior.shift = torch.tensor(shift)
        both.assert_same(batch, 0)
        losses.append(both.measured(both.compiled, batch, 0)[0].item())
        recordings.append(both.compiled.recorder.last)
    assert both.compiled.is_compiled and recordings[0] is recordings[1]
    # −log N(z; 5, 1) + log N(z; 0, 1) is 12.5 − 5z in each of three dimensions.
    assert losses[1] - losses[0] == pytest.approx(len(batch[0]) * 3 * 12.5, rel=0.3)


class Louder(nn.Module):
    """A decoder whose output is three times as large in training."""

    def __init__(self, decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, z):
        return self.decoder(z) * (3.0 if self.training else 1.0)


def test_a_recorded_step_is_that_of_the_present_mode(float64):
    model, guide, objective, (batch, _) = opened()
    nn.init.normal_(model.decoder.output.weight)
    model.decoder = Louder(model.decoder)
    both, losses = Both(model, guide, objective), []
    for training in (True, False):
        both.pair.train(training)
        both.assert_same(batch, 0)
        losses.append(both.measured(both.compiled, batch, 0)[0].item())
    assert both.compiled.is_compiled and abs(losses[0] - losses[1]) > 1


def test_a_step_is_that_of_pyros_own_svi():
    """Eager and recorded, beside Pyro's SVI with the same objective as its loss."""
    losses = []
    for kind, options in (
        (SVI, {}),
        (FastSVI, {"compiled": False}),
        (FastSVI, {"backend": None}),
    ):
        torch.manual_seed(0)
        model, guide, objective, (batch, other) = opened()
        svi = kind(model, guide, FusedAdam((model, guide), 1e-2), objective, **options)
        torch.manual_seed(1)
        losses.append([float(svi.step(*x)) for x in (batch, other, batch)])
    assert losses[0] == losses[1] and losses[0] == pytest.approx(losses[2], rel=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_broken_step_changes_nothing_and_names_the_site(compiled):
    model, guide, objective, (batch, _) = opened()
    optimizer = FusedAdam((model, guide), 1e-2)
    svi = FastSVI(model, guide, optimizer, PerDatum(objective), compiled, backend=None)
    svi.step(*batch)
    before = [p.clone() for p in [*model.parameters(), *guide.parameters()]]
    broken = (torch.full_like(batch[0], torch.nan), *batch[1:])
    with pytest.raises(NonFinite, match="loss nan at site 'z' of the guide"):
        svi.step(*broken)
    assert all(map(torch.equal, before, [*model.parameters(), *guide.parameters()]))


def test_losses_read_together_name_the_step():
    """As on a GPU: the losses of several steps are read at once; the first that broke is found."""
    model, guide, objective, (batch, _) = opened()
    svi = FastSVI(model, guide, FusedAdam((model, guide), 1e-2), objective, compiled=False)
    svi.step(*batch)
    svi.losses = [torch.tensor(loss) for loss in (1.0, torch.inf, 2.0, torch.nan)]
    with pytest.raises(NonFinite) as caught:
        svi.read()
    assert caught.value.steps_ago == 2
    assert svi.read() == []


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
        "import sys, inference.loop as loop; validate = loop.validate\n"
        "def stop(training, data, seconds, keep, watch):\n"
        "    validate(training, data, seconds, keep, watch)\n"
        "    if training.epoch == 3:\n"
        "        keep.save(training.state(), training.best())\n"
        "        sys.exit(3)\n"
        "loop.validate = stop\n"
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
