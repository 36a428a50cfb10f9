"""What stands in the cells of a comparison, against the values it was made of."""

import csv
import io
import zipfile

import numpy as np
import pytest

from report.comparison.arrays import read_arrays
from report.comparison.cells import difference_digits, p_value, pairs_caption, table
from report.comparison.comparing import Comparison, compare
from report.comparison.formats import written
from report.comparison.grouping import group
from report.comparison.paired import Paired, Part
from report.comparison.reading import read_run
from report.comparison.request import Asked
from report.comparison.statistics import Difference, Family
from report.comparison.units import Unit
from tests.made_runs import make_run

DIGITS = [(0.02, 3), (0.5, 2), (12.0, 2), (0.0034, 4), (3e-5, 5), (3e-7, 5), (0.0, 2)]


def values(mean, count=20, seed=0):
    return mean + np.random.default_rng(seed).normal(0, 1, count)


def table_of(*errors):
    found = {
        (0, i): Difference(Paired(-1.0, Part(error**2, 9.0), ()), 1.0, 0.5, None)
        for i, error in enumerate(errors, 1)
    }
    return Comparison("", Unit.NATS, "elbo", [], [], Family(0, False, found), Asked())


@pytest.mark.parametrize(("error", "digits"), DIGITS)
def test_two_digits_of_the_standard_error_are_shown(error, digits):
    assert difference_digits(table_of(error)) == digits


def test_the_typical_error_is_the_middle_one_of_those_that_exist():
    assert difference_digits(table_of(0.02, 5.0, 0.03, np.inf)) == 3
    assert difference_digits(table_of(np.inf)) == 2


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
    assert best.averages["gap"][:2] == pytest.approx((2.05, 0.05))
    assert other.averages["gap"][:2] == pytest.approx((3.05, 0.05))
    elbo = [values(-9.0, seed=seed).mean() for seed in (0, 1)]
    assert best.averages["elbo"][:2] == pytest.approx(
        (np.mean(elbo), np.std(elbo, ddof=1) / 2**0.5)
    )


def test_every_line_of_the_csv_has_the_columns_of_its_heading(with_exact):
    (table,) = compare([read_run(path) for path in with_exact])
    heading, *lines = csv.reader(io.StringIO(written([table], "csv")))
    assert len(lines) == 2 and {len(line) for line in lines} == {len(heading)}
    best, other = (dict(zip(heading, line, strict=True)) for line in lines)
    assert (best["difference"], best["p_holm"]) == ("", "")
    found = table.settings[1].difference
    assert float(other["difference_low"]) == found.low < float(other["difference"]) == found.mean
    assert float(other["difference_high"]) == found.high and float(other["p_holm"]) == found.p


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
@pytest.mark.parametrize("pairs", [False, True])
def test_every_format_says_the_same_difference(with_exact, form, pairs):
    """The best setting, and how far the other is from it, to the digits that are shown."""
    (found,) = compare([read_run(path) for path in with_exact])
    said = written([found], form, pairs).replace("\u2212", "-")
    mean = found.settings[1].difference.mean
    assert f"{abs(mean):.2f}" in said and "vamp" in said and "mixture" in said
    if form == "latex":
        assert said.count("\\begin{tabular}") == said.count("\\end{tabular}") >= 1
        assert "\\toprule" in said and "\u2212" not in said and "\\pm" in said


def test_columns_and_reference_are_as_asked(with_exact):
    runs = [read_run(path) for path in with_exact]
    asked = Asked(reference="prior=mixture", columns=("difference", "elbo"))
    (found,) = compare(runs, asked)
    names = [column.name for column in table(found).columns]
    assert [name for name in names if name in found.known] == ["difference", "elbo"]
    assert found.family.is_reference and found.settings[found.family.baseline].difference is None


@pytest.mark.parametrize(("p", "said"), [(0.00099, "<0.001"), (0.001, "0.001"), (0.5, "0.500")])
def test_small_p_values_are_not_zero(p, said):
    assert p_value(p).replace(" ", "") == said


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


def test_the_best_setting_sorts_as_a_difference_of_zero(with_exact):
    (found,) = compare([read_run(path) for path in with_exact])
    columns, rows = table(found)
    place = [column.name for column in columns].index("difference")
    best, other = (row[place] for row in rows)
    assert best.value == 0.0 and other.value < -15


def test_a_caption_speaks_of_one_pair_or_of_several():
    assert pairs_caption(table_of(0.1)).endswith("p: of the same test")
    assert "that holds for the pair at 95 %" in pairs_caption(table_of(0.1))
    assert pairs_caption(table_of(0.1, 0.2)).endswith("p: Holm-adjusted over the 2 pairs")
    assert "that holds together for all 2 pairs at 95 %" in pairs_caption(table_of(0.1, 0.2))


def test_digits_of_each_unit():
    """Bits per dimension have four decimals, of which the last two say what nats say in two."""
    assert (Unit.NATS.digits, Unit.BITS.digits) == (2, 4)


def test_a_run_is_no_copy_of_itself(tmp_path):
    first = read_run(make_run(tmp_path / "first", values(-9)))
    copy = read_run(make_run(tmp_path / "copy", values(-9)))
    (found,) = group([first, first])
    assert found.runs == [first] and found.copies == []
    (found,) = group([first, copy])
    assert found.runs == [first] and len(found.copies) == 1
