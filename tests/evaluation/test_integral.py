"""log p(x) is integrated where that takes no longer than is stated, always, or never."""

from contextlib import ExitStack

import pytest

from evaluation import integral
from evaluation.measure import Wanted, evaluate
from evidence.progress import listening
from experiment import train

FEW = {"particles": 4, "elbo_particles": 2, "limit": 10}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "digits"
    words = "train.epochs=1", "network.width=8", "data.limit=30", "device=cpu"
    return train(*words, f"run_dir={path}")


@pytest.mark.parametrize(
    ("most", "exact", "known"),
    [(300, "auto", True), (300, "off", False), (1e-9, "auto", False), (1e-9, "on", True)],
)
def test_how_long_it_may_take(run, monkeypatch, most, exact, known):
    monkeypatch.setattr("evaluation.wanted.MOST_SECONDS", most)
    found = evaluate(run, Wanted(**FEW, exact=exact))
    assert (found.bounds.exact is not None) == known
    said = [note.text for note in found.notes if "would take about" in note.text]
    assert bool(said) == (not known and exact == "auto")
    assert not said or ("10 data" in said[0] and "--exact" in said[0])


def test_what_is_told_of_an_integral_ends_at_its_end():
    heard = []
    with listening(lambda share, words: heard.append(share)), ExitStack() as until:
        meter = integral.Patience(1.0, until)
        meter.did(5)  # nothing is foretold where no quadrature is needed
        meter.expect(integral.Cost(100, 0, 1, 0.0, 0.0), [2])
        for _ in range(3):
            meter.did(90)
    assert heard == [0.0, 0.45, 0.9, 1.0]
