"""What stands in the cells of a comparison, against the values it was made of."""

import csv
import io
import zipfile

import numpy as np
import pytest

from report.comparison.arrays import read_arrays
from report.comparison.comparing import Comparison, Setting, compare
from report.comparison.reading import read_run
from report.comparison.statistics import Average, Difference, differences_to_best
from report.comparison.tables import as_csv, cells, difference_digits
from report.comparison.units import Unit
from tests.made_runs import make_run

DIGITS = [(0.02, 3), (0.5, 2), (12.0, 2), (0.0034, 4), (3e-5, 5), (3e-7, 5), (0.0, 2)]


def values(mean, count=20, seed=0):
    return mean + np.random.default_rng(seed).normal(0, 1, count)


def table_of(*differences):
    settings = [Setting(str(i), [], {}, d) for i, d in enumerate(differences)]
    return Comparison("", Unit.NATS, "elbo", settings, [])


def difference(error, p=0.5):
    return Difference(-1.0, error, -2.0, 0.0, p, True)


@pytest.mark.parametrize(("error", "digits"), DIGITS)
def test_two_digits_of_the_standard_error_are_shown(error, digits):
    assert difference_digits(table_of(None, difference(error))) == digits


def test_the_typical_error_is_the_middle_one_of_those_that_exist():
    errors = [difference(error) for error in (0.02, 5.0, 0.03, np.inf)]
    assert difference_digits(table_of(None, *errors)) == 3
    assert difference_digits(table_of(None, difference(np.inf))) == 2


def test_the_best_has_the_highest_mean_whatever_the_number_of_seeds():
    one, three = np.full((1, 5), -20.0), np.full((3, 5), -10.0)
    settings = [one + np.arange(5), three + np.arange(5) + 0.1 * np.arange(3)[:, None]]
    assert differences_to_best(settings)[0] == 1
    assert differences_to_best(settings[::-1])[0] == 0
    assert differences_to_best(settings, higher_is_better=False)[0] == 0
    assert differences_to_best([-s for s in settings])[0] == 0


@pytest.fixture
def with_exact(tmp_path):
    """Two priors, two seeds, whose exact log p(x) lies two or three nats above the ELBO."""
    return [
        make_run(
            tmp_path / f"{prior}{seed}",
            values(mean, seed=seed),
            seed=seed,
            choices={"prior": prior},
            extra={"exact": values(mean, seed=seed) + gap + 0.1 * seed},
        )
        for prior, mean, gap in (("vamp", -9.0, 2.0), ("mixture", -30.0, 3.0))
        for seed in (0, 1)
    ]


def test_the_gap_is_that_of_the_exact_value_from_the_elbo(with_exact):
    (table,) = compare([read_run(path) for path in with_exact])
    best, other = table.settings
    assert best.averages["gap"] == pytest.approx(Average(2.05, 0.05))
    assert other.averages["gap"] == pytest.approx(Average(3.05, 0.05))
    elbo = [values(-9.0, seed=seed).mean() for seed in (0, 1)]
    assert best.averages["elbo"] == pytest.approx(
        Average(np.mean(elbo), np.std(elbo, ddof=1) / 2**0.5)
    )


def test_every_line_of_the_csv_has_the_columns_of_its_heading(with_exact):
    (table,) = compare([read_run(path) for path in with_exact])
    heading, *lines = csv.reader(io.StringIO(as_csv([table])))
    assert len(lines) == 2 and {len(line) for line in lines} == {len(heading)}
    best, other = (dict(zip(heading, line, strict=True)) for line in lines)
    assert (best["difference"], best["p_holm"]) == ("", "")
    found = table.settings[1].difference
    assert float(other["difference_low"]) == found.low < float(other["difference"]) == found.mean
    assert float(other["difference_high"]) == found.high and float(other["p_holm"]) == found.p


@pytest.mark.parametrize(("p", "said"), [(0.00099, "<0.001"), (0.001, "0.001"), (0.5, "0.500")])
def test_small_p_values_are_not_zero(with_exact, p, said):
    (table,) = compare([read_run(path) for path in with_exact])
    some = [
        Setting(s.label, s.runs, s.averages, s.difference and difference(1.0, p))
        for s in table.settings
    ]
    _, rows = cells(Comparison("", Unit.NATS, "elbo", some, []))
    assert said in rows[1] and not {"<0.001", "0.001", "0.500"} & set(rows[0])


def test_a_space_is_said_once(tmp_path):
    """Where the way into a space is named like the space, it says nothing more."""
    runs = [make_run(tmp_path / space, values(-9), space=space) for space in ("binary", "unit")]
    _, other = compare([read_run(path) for path in runs])[:2]
    assert "space: binary above, unit here" in " ".join(other.notes)
    assert "observation" not in " ".join(other.notes)


@pytest.mark.parametrize(("count", "is_read"), [(50, True), (51, False)])
def test_an_evaluation_has_fifty_arrays_at_most(count, is_read):
    buffer = io.BytesIO()
    np.savez(buffer, **{f"a{i}": np.zeros(3) for i in range(count)})
    assert len(zipfile.ZipFile(buffer).namelist()) == count
    if is_read:
        names = {f"a{i}" for i in range(count)}
        assert {name for name, _ in read_arrays(buffer.getvalue(), 3, names)} == names
        return
    with pytest.raises(ValueError, match="51 arrays of 3 numbers are too many"):
        list(read_arrays(buffer.getvalue(), 3, set()))
