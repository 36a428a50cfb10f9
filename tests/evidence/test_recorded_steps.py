"""When the loss of a pair is recorded, which batches run by it, and what it then computes."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from torch import nn

from evidence.batch import Batch
from evidence.training.loss import Loss
from evidence.training.per_datum import PerDatum
from evidence.training.recording import StepRecorder


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls.add_(1)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))
            scale = 1.0 if self.training else 2.0
            pyro.sample("x", dist.Normal(z * self.weight, scale).to_event(1), obs=x)


class Guide(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(self.slope * x[:, :1], 0.5).to_event(1))


class Weighed(Loss):
    """Pyro's ELBO times numbers, one of which may be another one at every step."""

    varying = ("warm",)

    def __init__(self):
        self.warm, self.fixed, self.shift = 1.0, 1.0, torch.tensor(0.0)

    def differentiable_loss(self, model, guide, *batch):
        loss = Trace_ELBO().differentiable_loss(model, guide, *batch)
        return self.warm * self.fixed * loss + self.shift


class Steps:
    def __init__(self, loss=None, model=None):
        self.model, self.guide = model or Model(), Guide()
        self.loss, self.told = loss or Weighed(), []
        self.recorder = StepRecorder(
            self.model, self.guide, self.loss, self.told.append, backend=None
        )

    def parameters(self):
        return [*self.model.parameters(), *self.guide.parameters()]

    def taken(self, batch, compiled):
        """(loss, gradients) of a step, from the same noise."""
        for parameter in self.parameters():
            parameter.grad = None
        torch.manual_seed(3)
        if compiled:
            recording = self.recorder.of(batch)
            loss = recording(batch)
        else:
            loss = self.loss.differentiable_loss(self.model, self.guide, *batch)
            loss.backward()
        return loss.detach(), [parameter.grad for parameter in self.parameters()]

    def assert_same(self, batch):
        (one, gradients), (other, expected) = (self.taken(batch, c) for c in (True, False))
        torch.testing.assert_close(one, other)
        assert [g is None for g in gradients] == [g is None for g in expected]
        for g, e in zip(gradients, expected, strict=True):
            if e is not None:
                torch.testing.assert_close(g, e)


def some(rows, seed=0):
    return Batch.of(torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed)))


def test_batches_of_the_recorded_shape_run_by_the_first_recording_and_no_other_does():
    steps = Steps()
    assert steps.recorder.known(some(5)) is None, "none is made"
    first = steps.recorder.of(some(5))
    assert first is not None and steps.recorder.of(some(5, seed=1)) is first
    wide = Batch.of(torch.randn(2, 5).T)
    for other in (some(4), some(6), Batch.of(some(5).x.double()), wide, some(0)):
        assert steps.recorder.of(other) is None and steps.recorder.known(other) is None
        assert steps.recorder.last is first
    assert steps.recorder.known(some(5)) is first and not steps.told


def test_no_data_are_not_recorded():
    steps = Steps()
    assert steps.recorder.of(some(0)) is None and steps.recorder.last is None
    assert steps.recorder.of(some(3)) is not None


@pytest.mark.parametrize("wrap", [lambda loss: loss, PerDatum], ids=["alone", "per datum"])
def test_a_recorded_step_is_the_eager_one_whatever_changes(wrap):
    """Parameters, numbers that vary, tensors, numbers that are fixed, and training."""
    own = Weighed()
    steps = Steps(wrap(own))
    steps.assert_same(some(5))
    first = steps.recorder.last
    with torch.no_grad():
        for parameter in steps.parameters():
            parameter.mul_(1.3)
    own.warm, own.shift = 0.25, torch.tensor(2.0)
    steps.assert_same(some(5, seed=1))
    own.warm = 0.5
    steps.assert_same(some(5, seed=2))
    assert steps.recorder.last is first, "what varies is an input"
    own.fixed = 3.0
    assert steps.recorder.known(some(5)) is None
    steps.assert_same(some(5))
    second = steps.recorder.last
    assert second is not first
    steps.model.eval()
    steps.assert_same(some(5))
    assert steps.recorder.last is not second and not steps.told


def test_numbers_that_vary_have_the_precision_of_the_data():
    """A tenth of single precision is another number than a tenth."""
    steps = Steps()
    steps.model.double(), steps.guide.double()
    batch = Batch.of(some(5).x.double())
    for steps.loss.warm in (0.1, 0.7):
        (one, gradients), (other, expected) = (steps.taken(batch, c) for c in (True, False))
        assert float(one) == pytest.approx(float(other), rel=1e-13)
        torch.testing.assert_close(gradients[0], expected[0], rtol=1e-12, atol=0)


def test_gradients_are_added_to_what_is_there():
    steps = Steps()
    _, once = steps.taken(some(5), compiled=True)
    once = [None if g is None else g.clone() for g in once]
    torch.manual_seed(3)
    steps.recorder.of(some(5))(some(5))
    for parameter, g in zip(steps.parameters(), once, strict=True):
        if g is None:
            assert parameter.grad is None and parameter is steps.model.unused
        else:
            torch.testing.assert_close(parameter.grad, 2 * g)


def test_recording_moves_neither_buffers_nor_noise():
    steps = Steps()
    torch.manual_seed(5)
    expected = torch.rand(())
    torch.manual_seed(5)
    recording = steps.recorder.of(some(5))
    assert torch.equal(torch.rand(()), expected) and int(steps.model.calls) == 0
    recording(some(5))
    assert int(steps.model.calls) == 1


class OfStore(Model):
    def forward(self, x):
        pyro.param("elsewhere", torch.ones(()))
        super().forward(x)


def test_what_cannot_be_recorded_is_told_once_and_not_tried_again():
    steps = Steps(model=OfStore())
    for _ in range(3):
        assert steps.recorder.of(some(5)) is None
    assert steps.told == [f"train.compile: eager after all: {steps.recorder.why_eager}"]
    assert "pyro.param or pyro.module (elsewhere)" in steps.recorder.why_eager
    pyro.clear_param_store()


def test_the_backend_is_the_one_that_is_asked_for():
    assert Steps().recorder.backend is None
    asked = StepRecorder(Model(), Guide(), Weighed(), print)
    assert asked.backend == "inductor"
