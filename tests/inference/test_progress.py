"""Training's bar: it counts what is measured, it foretells, and it moves in any terminal."""

import re
import time
from functools import partial
from itertools import pairwise

import pytest

from experiment import train
from inference.progress import Progress
from tests.conftest import ROOT
from tests.terminal import in_terminal, longest_standstill

SMALL = ("network.width=8", "train.compile=off", "device=cpu")


class Clock:
    """A clock that goes on only when it is told to."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("first", [0.1, 30.0], ids=["eager", "compiled"])
@pytest.mark.parametrize("measuring", [0.5, 4.0], ids=["short", "long"])
@pytest.mark.parametrize("begun", [0, 3], ids=["new", "continued"])
def test_the_time_foretold_on_a_scripted_clock(first, measuring, begun):
    """After the first epoch it is right whatever the first step and the measuring passes take."""
    clock, shares, foretold = Clock(), [], {}
    with Progress(8, 950, 100, begun, 500, clock) as progress:
        for epoch in range(begun + 1, 9):
            progress.epoch(epoch)
            for step in range(10):
                clock.now += first if (epoch, step) == (begun + 1, 0) else 0.1
                progress.step()
                shares.append(progress.shown().share)
            progress.measures()
            for _ in range(4):
                clock.now += measuring / 4
                shares.append(progress.shown().share)
            progress.elbo(-30.0, -30.0)
            foretold[clock.now] = progress.shown().left
        assert progress.shown().share == 1.0
    for when, left in foretold.items():
        assert left == pytest.approx(clock.now - when, rel=0.1, abs=1e-6)
    assert shares[0] == pytest.approx(begun / 8, abs=0.02) and max(shares) <= 1.0
    assert sum(b < a - 0.1 for a, b in pairwise(shares)) == 0


def test_an_epoch_of_one_step_foretells_too():
    clock = Clock()
    with Progress(3, 50, 100, 0, 10, clock, compiled=True) as progress:
        progress.epoch(1)
        shown = progress.shown()
        assert shown.left is None and shown.what == "epoch 1/3, compiling"
        clock.now += 2.0
        progress.step()
        assert progress.shown().what == "epoch 1/3"
        progress.measures()
        clock.now += 1.0
        progress.elbo(-30.0, -29.0)
        assert progress.shown().left == pytest.approx(6.0)
        assert "valid ELBO -30.00 (best -29.00)" in progress.shown().known


@pytest.mark.verify
def test_the_time_foretold_in_a_real_run(tmp_path, monkeypatch):
    """The first time that is told is right within a third; the clock is the processor's."""
    told, tell, made = [], Progress.elbo, Progress.__init__

    def noted(self, elbo, best):
        tell(self, elbo, best)
        told.append((time.process_time(), self.shown().left))

    monkeypatch.setattr(Progress, "elbo", noted)
    by_processor = partial(made, clock=time.process_time)
    monkeypatch.setattr(Progress, "__init__", lambda *given, **named: by_processor(*given, **named))
    train(*SMALL, "network.width=200", "train.epochs=20", f"run_dir={tmp_path / 'run'}")
    (first, left), (end, _) = told[0], told[-1]
    assert left == pytest.approx(end - first, rel=1 / 3)


@pytest.mark.parametrize("size", [(0, 0), pytest.param((40, 120), marks=pytest.mark.verify)])
def test_bars_in_a_terminal(tmp_path, size):
    words = (
        *SMALL,
        "train.epochs=12",
        "objective=iwae",
        "objective.num_particles=50",
        "run_dir=run",
    )
    started = time.monotonic()
    status, said = in_terminal(ROOT / "train.py", *words, cwd=tmp_path, size=size)
    took = time.monotonic() - started
    text = "".join(part for _, part in said)
    assert status == 0, text
    assert "epoch 1/12" in text and re.search(r"epoch \d+/12, measuring +\d+%\|", text)
    assert re.search(r"epoch 12/12 +100%\|█", text) and longest_standstill(said) < 2.0
    bar = max(when for when, part in said if "|" in part)
    bar -= min(when for when, part in said if "|" in part)
    assert bar <= float(re.search(r"\(epoch \d+\), ([\d.]+) s", text)[1]) <= took
