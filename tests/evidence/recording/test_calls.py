"""Inside `recorded()` a function is recorded once, and gives what it would give by itself."""

import shutil

import pyro.distributions as dist
import pytest
import torch
from torch import nn

from errors import RequestError
from evidence import Annealing, ais, iwae
from evidence.recording import Calls, Shapes, calls, graph, recorded
from evidence.recording.calls import run
from models.joints import ExactPosterior, FactorAnalysis, Posterior

NEEDS_COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
BACKENDS = [None, pytest.param("inductor", marks=NEEDS_COMPILER)]


class Noisy:
    """A function that counts its calls and reads a parameter."""

    def __init__(self) -> None:
        self.layer, self.calls = nn.Linear(3, 2), 0

    def __call__(self, x):
        self.calls += 1
        with torch.no_grad():
            return (dist.Normal(self.layer(x), 1.0).sample(),)


@pytest.mark.parametrize("backend", BACKENDS)
def test_noise_and_parameters_are_those_of_the_moment(backend):
    function, x = Noisy(), torch.randn(4, 3)

    def two():
        torch.manual_seed(1)
        return [run("noisy", function, x)[0] for _ in range(2)]

    before = two()
    with recorded(into=Calls(backend)) as here:
        assert all(map(torch.allclose, two(), before)) and here.why_eager is None
        count = function.calls
        with torch.no_grad():
            function.layer.weight.mul_(-2)
        after = two()
        assert function.calls == count, "it ran by itself"
    assert all(map(torch.allclose, two(), after)) and function.calls > count
    assert not torch.allclose(before[0], before[1]) and not torch.allclose(before[0], after[0])


def test_another_shape_runs_eagerly_until_it_comes_often(monkeypatch):
    monkeypatch.setattr(calls, "OFTEN", 4)
    function = Noisy()
    with recorded(into=Calls(None)) as here:
        run("f", function, torch.ones(4, 3))
        for k in range(6):
            count = function.calls
            assert run("f", function, torch.ones(2, 3))[0].shape == (2, 2)
            assert (function.calls == count) == (k > 3), k
        assert len(here.graphs) == 2
        count = function.calls
        run("f", function, torch.ones(4, 3), variant="another")
        assert function.calls == count + 1
        run("f", function, torch.ones(3, 3), shapes=Shapes.EVERY)
        assert len(here.graphs) == 3


def test_what_cannot_be_recorded_runs_eagerly_and_says_why():
    def depends_on_the_numbers(x):
        return (x + 1,) if bool((x > 0).all()) else (x - 1,)

    with recorded(into=Calls(None)) as here:
        for sign in (1, -1):
            assert torch.equal(
                run("f", depends_on_the_numbers, sign * torch.ones(3))[0], sign * 2 * torch.ones(3)
            )
    assert here.why_eager


def test_a_request_that_is_wrong_is_still_refused():
    def refuses(x):
        raise RequestError("no")

    with recorded(into=Calls(None)), pytest.raises(RequestError, match="no"):
        run("f", refuses, torch.ones(1))


@pytest.mark.parametrize(
    ("start", "backend"), [("prior", None), pytest.param("guide", "inductor", marks=NEEDS_COMPILER)]
)
def test_bounds_are_the_same_compiled(start, backend):
    """In chunks of several sizes; annealing takes its data in two parts, which must not mix."""
    joint = FactorAnalysis(torch.tensor([[1.0, 0.0], [0.5, 1.0], [1.0, 1.0]]), torch.zeros(3), 0.64)
    guide = Posterior(joint.best_mean_field)
    x = joint.conditional(joint.prior().sample((30,))).sample()
    plan = Annealing(5, 6, 2, start)

    def measured():
        torch.manual_seed(0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evidence.chunks.CHUNK_FLOATS", 3 * 100)
            return iwae(joint, guide, x, 33).per_datum, ais(joint, guide, x, plan).per_datum

    expected = measured()
    with recorded(into=Calls(backend)) as here:
        found = measured()
    assert here.why_eager is None and len(here.graphs) == 3
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(found, expected, strict=True))
    # What both share is held to the truth: with the posterior as the guide nothing is drawn.
    exact, start = ExactPosterior(joint), Annealing(5, 6, 2, "guide")
    with recorded(into=Calls(None)), pytest.MonkeyPatch.context() as patch:
        patch.setattr("evidence.chunks.CHUNK_FLOATS", 3 * 100)
        for known in (iwae(joint, exact, x, 33), ais(joint, exact, x, start)):
            torch.testing.assert_close(known.per_datum, joint.log_prob(x), atol=1e-8, rtol=0)


def test_a_compilation_that_takes_long_is_told(monkeypatch, caplog):
    monkeypatch.setattr(graph, "standalone_compile", lambda written, inputs: written)
    x = torch.zeros(3)
    written = graph.record(lambda x: (x + 1).exp(), x)
    graph.compiled(written, [x])
    assert not caplog.records
    monkeypatch.setattr(graph, "LARGE", 3)
    monkeypatch.setattr(graph, "SECONDS_AN_OPERATION", 7.5)
    graph.compiled(written, [x])
    assert caplog.messages == ["compiling 4 operations: about 30 s, once"]
