"""The page of bars shows the figures of all benchmarks that ran, and the command that runs them."""

import json
import re

import pytest

from benchmarks import __main__ as everything
from benchmarks import page

ENVIRONMENT = {"python": "3.11", "device": "cpu", "threads": 2, "numpyro": None}


def timing(case: str, peer: str, ms: float) -> dict:
    return {"case": case, "peer": peer, "ms": ms, "quartiles_ms": [0.9 * ms, 1.2 * ms], "ratio": 0}


@pytest.fixture
def figures(tmp_path):
    step = [timing("small", "ours", 2.0), timing("small", "theirs & others", 5.0)]
    step.append(timing("large", "ours", 1500.0))
    until = [{"peer": "ours", "seconds": s, "epoch": 1, "elbo": 0} for s in (1.0, 20.0)]
    for name, records in {"train_step": step, "time_to_elbo": until}.items():
        stored = {"environment": ENVIRONMENT, "records": records}
        (tmp_path / f"{name}.json").write_text(json.dumps(stored))
    return tmp_path


def test_bars_are_as_long_as_the_times(figures):
    step, until = page.sections(figures)
    small, large = step.charts
    assert [bar.label for bar in small.bars] == ["2.00 ms", "5.00 ms"]
    assert [bar.ratio for bar in small.bars] == [1.0, 2.5]
    assert small.bars[1].share(small.bars[1].high) == 100  # the longest whisker fills the track
    assert small.bars[0].share(small.bars[0].time) == pytest.approx(100 * 2 / 6, abs=0.01)
    assert large.bars[0].label == "1.50 s"
    # Of a contender that is measured after every epoch, the last figure counts.
    assert [bar.label for bar in until.charts[0].bars] == ["20.0 s"]


def test_the_page_says_what_was_measured_where(figures):
    text = page.write_page(figures).read_text()
    assert "theirs &amp; others" in text and "threads 2" in text and "numpyro" not in text
    assert "One training step" in text and "Start-up" not in text  # what was not run is not there
    assert len(re.findall('class="bar"', text)) == 4


@pytest.mark.parametrize(("quick", "busy"), [(False, False), (True, True)])
def test_every_command_is_one_that_its_benchmark_takes(quick, busy, tmp_path, monkeypatch):
    """The benchmarks read their arguments, and measure nothing here."""
    import importlib

    root = str(tmp_path / "none")
    found = everything.commands(list(everything.BENCHMARKS), tmp_path, quick, busy, root)
    assert len(found) == len(everything.BENCHMARKS)
    for command in found:
        module = importlib.import_module(command[2])
        if command[2].endswith(everything.NEEDS_DATA):
            with pytest.raises(SystemExit):  # there is no such folder: the last of the checks
                module.main(command[3:])
            continue
        seen = []
        monkeypatch.setattr(module, "report", lambda tables, *where, seen=seen: seen.append(where))
        monkeypatch.setattr(module, "clock", lambda busy: None, raising=False)
        module.main(command[3:])
        assert seen == [("cpu", tmp_path / f"{command[2].split('.')[-1]}.json")]


def test_without_mnist_there_is_no_time_to_an_elbo(tmp_path):
    names = list(everything.BENCHMARKS)
    assert len(everything.commands(names, tmp_path, False, False, "")) == len(names) - 1
