"""Where the charts put what they are given."""

import json

import numpy as np
import pytest

from report.comparison.comparing import compare
from report.comparison.reading import read_run
from report.page.charts import charts
from report.page.charts.gaps import gap_parts
from report.page.charts.ladder import bound_at
from tests.made_runs import make_run


def measured(path, **nats):
    """A run of 50 data, with more in its evaluation.json."""
    run = make_run(path, np.random.default_rng(0).normal(-30, 10, 50))
    file = run / "evaluation.json"
    content = json.loads(file.read_text())
    content["nats"] |= nats
    file.write_text(json.dumps(content))
    return read_run(run)


def drawn(comparison):
    """The charts of a comparison by name."""
    return {chart.name: chart for chart in charts(comparison)}


def test_annealing_of_few_data_stands_where_its_paired_difference_puts_it(tmp_path):
    """The first ten data are easy: their own mean is 12 nats higher, but AIS gains 0.3 on IWAE."""
    ais = {
        "mean": -18.0,
        "se": 1.0,
        "kind": "lower",
        "num_examples": 10,
        "particles": 16,
        "temperatures": 1000,
        "start": "prior",
    }
    run = measured(
        tmp_path / "run", ais=ais | {"above_iwae": {"mean": 0.3, "se": 0.1, "num_examples": 10}}
    )
    assert bound_at(run, "ais") == pytest.approx(run.nats["iwae"].mean + 0.3)
    (comparison,) = compare([run])
    labels = [mark.label for mark in drawn(comparison)["ladder"].marks]
    assert any("AIS-1000" in label and "from the first 10 data" in label for label in labels)
    assert "ais" not in comparison.columns, "a mean over other data has no place in the table"


@pytest.mark.parametrize("above", [None, "x", {"mean": "x"}, {}])
def test_a_damaged_difference_is_not_added(tmp_path, above):
    run = measured(
        tmp_path / "run", ais={"mean": -18.0, "se": 1.0, "num_examples": 10, "above_iwae": above}
    )
    assert bound_at(run, "ais") == -18.0


def test_the_parts_of_a_gap_are_drawn_without_an_exact_value(tmp_path):
    parts = {
        "approximation_gap": {"mean": 1.0, "num_examples": 10},
        "amortization_gap": {"mean": 1.9, "num_examples": 10},
    }
    run = measured(tmp_path / "run", **parts)
    assert [(words, part.mean) for words, part in gap_parts(run)] == [
        ("the family's part, from the first 10 data", 1.0),
        ("the encoder's part, from the first 10 data", 1.9),
    ]
    (comparison,) = compare([run])
    assert [mark.glyph for mark in drawn(comparison)["gaps"].marks] == ["bar", "whisker"] * 2
    assert gap_parts(measured(tmp_path / "none")) == []
