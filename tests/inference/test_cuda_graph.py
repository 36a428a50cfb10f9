"""A captured step does what a step does. Without a GPU, a tape of operations plays CUDA's part."""

import pyro
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from evidence.training import cuda_graph
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from evidence.training.recording import Recording
from inference.fast.svi import FastSVI
from inference.nonfinite import NonFinite
from inference.schedule import factor
from tests.choices import opened

STEPS = 8


class Tape(TorchDispatchMode):
    """Writes down the operations on tensors with their arguments, numbers as they were then."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, result))
        return result


def taped(work):
    """What CUDA does: the same operations on the same memory, with results where they were."""
    with Tape() as tape:
        result = work()

    @torch.no_grad()
    def replay():
        for function, args, kwargs, before in tape.calls:
            now = function(*args, **kwargs)
            for old, new in zip(tree_flatten(before)[0], tree_flatten(now)[0], strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    return replay, result


def frozen_noise(work):
    """A mistake: every replay draws the noise of the first."""
    replay, result = taped(work)
    state = torch.get_rng_state()

    def again():
        torch.set_rng_state(state)
        replay()

    return again, result


def no_optimizer(work):
    """A mistake: nothing happens in a replay."""
    return (lambda: None), torch.zeros(())


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.fixture
def here(request, monkeypatch):
    """A device on which steps are captured: a GPU, or the CPU with something that stands for it."""
    if request.param == "cpu":
        monkeypatch.setattr(cuda_graph, "can_capture", lambda device: True)
        monkeypatch.setattr(cuda_graph, "captured", taped)
        monkeypatch.setattr(
            "evidence.training.optimizer.costs_nothing_to_read", lambda device: False
        )
    return torch.device(request.param)


def fitted(device, *overrides, compiled=True, batches=None, clip_norm=None):
    """(the SVI after STEPS steps on batches of two shapes, parameters, optimizer's state, told)."""
    torch.manual_seed(0)
    model, guide, objective, given = opened(*overrides)
    pair, told = [model.to(device), guide.to(device)], []
    schedule = lambda step: factor(step, STEPS, "cosine", 2)  # noqa: E731
    backend = None if device.type == "cpu" else "inductor"
    optimizer = FusedAdam(pair, 1e-2, schedule, 0.1, clip_norm)
    svi = FastSVI(*pair, optimizer, PerDatum(objective), compiled, told.append, backend)
    for number in range(STEPS):
        torch.manual_seed(number // 3)  # as at every epoch
        objective.at_epoch(number, STEPS)
        batch = [x.to(device) for x in given[number % 2]]
        svi.step(*(x[: len(x) - (number == 5)] for x in batch))  # a short one in between
        svi.read()
    parameters = [p.detach().clone() for module in pair for p in module.parameters()]
    return svi, parameters, optimizer.get_state(), told


@pytest.mark.parametrize("here", DEVICES, indirect=True)
@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["objective=beta", "objective.warmup_epochs=4"],
        ["prior=vamp", "prior.components=10"],
        ["likelihood=gaussian"],
    ],
    ids=str,
)
def test_captured_steps_are_steps(here, overrides, monkeypatch):
    """Warm-up of the KL, a changing rate, a short batch, a checkpoint: all as without graphs."""
    svi, parameters, state, told = fitted(here, *overrides, clip_norm=1.0)
    assert told == [] and svi.capture.graph is not None
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: False)
    plain, expected, expected_state, _ = fitted(here, *overrides, clip_norm=1.0)
    assert plain.capture.graph is None
    torch.testing.assert_close(parameters, expected, rtol=1e-4, atol=1e-6)
    assert state["schedule"]["_last_lr"] == pytest.approx(
        expected_state["schedule"]["_last_lr"], rel=1e-6
    )
    assert all(
        type(group["lr"]) is float and not group["capturable"]
        for group in state["adam"]["param_groups"]
    )
    for mine, other in zip(
        state["adam"]["param_groups"], expected_state["adam"]["param_groups"], strict=True
    ):
        assert mine["lr"] == pytest.approx(other["lr"], rel=1e-6)


@pytest.mark.parametrize("mistake", [frozen_noise, no_optimizer])
def test_a_capture_that_does_something_else_is_not_used(monkeypatch, mistake):
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: True)
    monkeypatch.setattr(cuda_graph, "captured", mistake)
    svi, parameters, _, told = fitted(torch.device("cpu"))
    assert svi.capture.graph is None and len(told) == 1
    assert "does not change the parameters" in told[0]
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: False)
    torch.testing.assert_close(parameters, fitted(torch.device("cpu"))[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("here", DEVICES, indirect=True)
def test_what_cannot_be_captured_runs_as_it_is_and_says_why(here, monkeypatch):
    """It breaks in the middle, where gradients are there already."""

    def refuse(work):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FusedAdam, "update", lambda self: 1 / 0)
            work()

    monkeypatch.setattr(cuda_graph, "captured", refuse)
    svi, parameters, _, told = fitted(here)
    assert len(told) == 1 and "division by zero" in told[0] and svi.is_compiled
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: False)
    torch.testing.assert_close(parameters, fitted(here)[1], rtol=1e-4, atol=1e-6)


def test_a_number_that_the_capture_keeps_is_noticed(monkeypatch):
    """The mistake of filling in an annealed weight within the step."""
    overrides = ["objective=beta", "objective.warmup_epochs=4"]
    expected = fitted(torch.device("cpu"), *overrides)[1]
    given = Recording.given
    monkeypatch.setattr(Recording, "given", lambda self: self.refresh() or given(self))
    monkeypatch.setattr(cuda_graph, "can_capture", lambda device: True)
    monkeypatch.setattr(cuda_graph, "captured", taped)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            fitted(torch.device("cpu"), *overrides)[1], expected, rtol=1e-4, atol=1e-6
        )


def captured_step(device):
    """An SVI whose step has been captured, and the batch that it ran on."""
    model, guide, objective, (batch, _) = opened()
    optimizer = FusedAdam((model.to(device), guide.to(device)), 1e-2)
    svi = FastSVI(model, guide, optimizer, PerDatum(objective), backend=None)
    batch = [x.to(device) for x in batch]
    for _ in range(3):
        svi.step(*batch)
    return svi, batch


@pytest.mark.parametrize("here", DEVICES, indirect=True)
def test_tensors_put_elsewhere_are_captured_anew(here):
    svi, batch = captured_step(here)
    before = svi.capture.graph
    for parameter in svi.model.parameters():
        parameter.data = parameter.data.clone()
    svi.step(*batch)
    assert before is not None and svi.capture.graph is not before


@pytest.mark.parametrize("here", DEVICES, indirect=True)
def test_a_broken_captured_step_changes_nothing(here):
    svi, batch = captured_step(here)
    model, guide = svi.model, svi.guide
    before = [p.detach().clone() for p in [*model.parameters(), *guide.parameters()]]
    broken = [torch.full_like(batch[0], torch.nan), *batch[1:]]
    with pytest.raises(NonFinite), pyro.validation_enabled(False):
        svi.step(*broken)
        svi.read()
    assert svi.capture.graph is not None
    assert all(map(torch.equal, before, [*model.parameters(), *guide.parameters()]))
