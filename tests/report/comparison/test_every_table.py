"""What holds for every table, every cell and every format, with the numbers worked out again."""

import csv
import io
import math
import re

import numpy as np
import pytest
from scipy import stats

from report.comparison.cells import Cell, Column, Table, caption, pairs_table, table
from report.comparison.formats import written
from report.comparison.formats.latex import latex
from report.comparison.formats.markdown import markdown
from report.comparison.formats.text import text
from report.comparison.power import power
from report.comparison.units import Unit
from tests.report.comparison.every_table import DIMENSIONS, tables

QUANTITIES = ("reconstruction", "kl", "elbo", "iwae", "ais", "exact", "gap", "bits_per_dim")


def both():
    """Every comparison with its table of settings, and with that of pairs."""
    return [(one, made(one)) for one in tables() for made in (table, pairs_table)]


def values(comparison, setting, name):
    """(runs, data), as the table is to show them."""
    rows = []
    for run in setting.runs:
        of = {key: np.asarray(value) for key, value in run.per_datum.items()}
        iwae = run.bits.mean + (run.nats["iwae"].mean - of["iwae"]) / (DIMENSIONS * math.log(2))
        known = of | {"bits_per_dim": iwae}
        if "exact" in of:
            known["gap"] = of["exact"] - of["elbo"]
        rows.append(iwae if comparison.unit is Unit.BITS else known[name])
    return np.stack(rows)


def mean_and_error(v):
    """With the spread of seeds where there are several, and else with that of the data."""
    spread = v.mean(1) if len(v) > 1 else v[0]
    return v.mean(), stats.sem(spread) if len(spread) > 1 else math.nan


def difference_of(a, b):
    """The mean of a − b, the variances of seeds and of data, Satterthwaite's freedom, and p."""
    d = a.mean(0) - b.mean(0)
    data = [(stats.sem(d) ** 2, len(d) - 1)] if len(d) > 1 else []
    seeds = [(stats.sem(v.mean(1)) ** 2, len(v) - 1) for v in (a, b) if len(v) > 1]
    variance = sum(v for v, _ in data + seeds) if data + seeds else math.inf
    terms = sum(v**2 / n for v, n in data + seeds)
    freedom = variance**2 / terms if terms else 1.0
    error = math.sqrt(variance)
    p = 2 * stats.t.sf(abs(d.mean()) / error, freedom) if error else float(d.mean() == 0)
    return d.mean(), seeds, data, freedom, error, p


def holm(p):
    order, adjusted = sorted(range(len(p)), key=p.__getitem__), {}
    for step, index in enumerate(order):
        before = adjusted[order[step - 1]] if step else 0.0
        adjusted[index] = max(before, min(1.0, (len(p) - step) * p[index]))
    return [adjusted[index] for index in range(len(p))]


def pairs_of(comparison):
    """{(a, b): what is known about setting a minus setting b}, each with its interval and p."""
    measure, family = comparison.measure, comparison.family
    every = range(len(comparison.settings))
    if family.is_reference:
        pairs = [(i, family.baseline) for i in every if i != family.baseline]
    else:
        pairs = [(i, j) for i in every for j in every if i < j]
    numbers = [values(comparison, s, measure) for s in comparison.settings]
    found = [difference_of(numbers[a], numbers[b]) for a, b in pairs]
    p = holm([one[-1] for one in found])
    half = [
        stats.t.ppf(1 - 0.05 / len(pairs) / 2, one[3]) * one[4] if one[4] else 0 for one in found
    ]
    return {pair: (*one[:5], h, p) for pair, one, h, p in zip(pairs, found, half, p, strict=True)}


def test_the_numbers_are_those_of_the_runs():
    for one in tables():
        means = []
        for setting in one.settings:
            assert len({run.setting for run in setting.runs}) == 1
            assert [run.seed for run in setting.runs] == sorted(run.seed for run in setting.runs)
            for name, found in setting.averages.items():
                expected = mean_and_error(values(one, setting, name))
                assert found[:2] == pytest.approx(expected, nan_ok=True, abs=1e-12), name
                assert found.over == ("seeds" if len(setting.runs) > 1 else "data")
            means.append(setting.averages[one.measure].mean)
        assert means == sorted(means, reverse=one.unit is Unit.NATS), "the best is the first"
        pairs = pairs_of(one)
        assert pairs.keys() == one.family.differences.keys()
        for pair, (mean, seeds, _, freedom, error, half, p) in pairs.items():
            d = one.family.differences[pair]
            found = (d.mean, d.low, d.high, d.p, d.test.error, d.test.total.freedom)
            expected = (mean, mean - half, mean + half, p, error, freedom)
            assert found == pytest.approx(expected, abs=1e-9, rel=1e-6, nan_ok=True)
            assert d.test.seeds_too == (len(seeds) == 2)
            assert d.told_apart == (len(seeds) == 2 and p < 0.05)
        for index, setting in enumerate(one.settings):
            if index == one.family.baseline:
                assert setting.difference is None
            else:
                d = setting.difference
                a, b = (values(one, one.settings[i], one.measure).mean()
                        for i in (index, one.family.baseline))  # fmt: skip
                assert d.mean == pytest.approx(a - b, abs=1e-9) and d.low <= d.mean <= d.high


def chance(test, count, level):
    """The probability that so many seeds each find the difference, by the noncentral t."""
    parts = [] if test.data is None else [test.data]
    parts += [(v * (n + 1) / count, count - 1) for v, n in test.seeds]
    variance, squares = sum(v for v, _ in parts), sum(v**2 / n for v, n in parts)
    if variance == 0 or test.mean == 0:
        return float(test.mean != 0)
    freedom, shift = variance**2 / squares, abs(test.mean) / math.sqrt(variance)
    critical = stats.t.ppf(1 - level / 2, freedom)
    below = stats.nct.cdf(-critical, freedom, shift) if shift < 5 else 0.0
    found = below + stats.nct.sf(critical, freedom, shift)
    assert power(test, count, level) == pytest.approx(found, abs=1e-6)
    return found


def test_as_few_seeds_as_would_do_are_said():
    for one in tables():
        share = 0.05 / max(len(one.family.differences), 1)
        for d in one.family.differences.values():
            needed = d.seeds_needed
            if not d.test.seeds_too:
                assert needed is None
            elif needed is None:
                assert chance(d.test, 1000, share) < 0.8
            else:
                assert 2 <= needed <= 1000 and chance(d.test, needed, share) >= 0.8
                assert needed == 2 or chance(d.test, needed - 1, share) < 0.8


def test_every_column_has_a_number_and_none_is_left_out():
    for one in tables():
        measured = {name for setting in one.settings for name in setting.averages}
        assert [name for name in one.known if name in QUANTITIES] == [
            name for name in QUANTITIES if name in measured
        ]
        wanted = one.asked.columns or one.known
        shown = [column.name for column in table(one).columns]
        alone = len(one.settings) == 1 and one.asked.columns is None
        expected = dict.fromkeys(n for n in wanted if not (alone and n in ("difference", "p")))
        assert shown == ["setting", *expected]
        if one.unit is Unit.BITS:
            assert measured == {one.measure}


def read(said):
    """The number that a text begins with, and half a unit of its last digit."""
    found = re.match(r"[-+]?\d[\d,]*(?:\.(\d+))?", said.replace("−", "-"))
    return float(found[0].replace(",", "")), 0.5 * 10.0 ** -len(found[1] or "") + 1e-12


def test_a_cell_sorts_by_the_number_that_it_says():
    for _, found in both():
        for row in found.rows:
            for cell, column in zip(row, found.columns, strict=True):
                if column.is_words:
                    assert cell == (cell.text, "", cell.text) and cell.text
                elif column.name == "difference" and cell.text in ("best", "reference"):
                    assert cell.value == 0.0 and not cell.beside
                elif column.name == "p" and not cell.text:
                    assert cell.value > 1 and not cell.beside, "after every p-value"
                elif cell.text.startswith("<"):
                    assert cell.value < read(cell.text[2:])[0]
                elif cell.text.startswith(">"):
                    assert cell.value == read(cell.text[2:])[0] + 1
                elif cell.text == "–":
                    assert cell.value == "" and not cell.beside
                else:
                    number, rounding = read(cell.text)
                    assert cell.value == pytest.approx(number, abs=rounding), (column, cell)
                    assert not re.match(r"[-−+]0\.?0*$", cell.text) or column.name == "difference"


def test_a_cell_says_the_number_of_its_setting_and_column():
    """With its error; the signs † and – stand where they have to, and nowhere else."""
    for one in tables():
        found = table(one)
        over = {len(s.runs) > 1 for s in one.settings}
        for setting, row in zip(one.settings, found.rows, strict=True):
            assert row[0].text == setting.label
            for cell, column in zip(row, found.columns, strict=True):
                if column.name in QUANTITIES and column.name in setting.averages:
                    mean, error, _ = setting.averages[column.name]
                    bits = column.name == "bits_per_dim" or one.unit is Unit.BITS
                    digits = 4 if bits else 2
                    mark = "†" if len(over) == 2 and len(setting.runs) == 1 else ""
                    beside = "" if math.isnan(error) else f"± {error:.{digits}f}{mark}"
                    said = f"{mean:z.{digits}f}".replace("-", "−")
                    assert cell == (said, beside, mean)
                elif column.name in QUANTITIES:
                    assert cell.text == "–"
                elif column.name == "seeds":
                    assert cell == (str(len(setting.runs)), "", len(setting.runs))
                elif column.name == "difference" and setting.difference is not None:
                    says_difference(cell, setting.difference)
                elif column.name == "difference":
                    assert cell.text == ("reference" if one.family.is_reference else "best")
                elif column.name == "p" and setting.difference is not None:
                    assert cell.value == setting.difference.p
        says = caption(one)
        assert str(one.unit) in says and f"ordered by {one.measure_name}" in says
        assert ("† over the data" in says) == (len(over) == 2 and any(
            name in QUANTITIES for name in one.columns))  # fmt: skip
        assert ("over the data (a single seed each)" in says) == (over == {False})
        differs = {"difference", "p"} & {column.name for column in found.columns}
        assert ("Δ: paired" in says) == bool(differs and len(one.settings) > 1)


def says_difference(cell, d):
    assert cell.value == d.mean
    numbers = re.findall(r"[-−+]?\d+\.\d+", cell.beside)
    if math.isinf(d.half_width):
        assert cell.beside == "[–]"
        return
    for said, number in zip((cell.text, *numbers), (d.mean, d.low, d.high), strict=True):
        assert read(said)[0] == pytest.approx(number, abs=read(said)[1])
        assert said[0] in "−+"


def test_a_row_of_pairs_says_what_its_error_is_made_of():
    for one in tables():
        rows = pairs_table(one).rows
        for ((a, b), known), row in zip(pairs_of(one).items(), rows, strict=True):
            d = one.family.differences[a, b]
            assert [cell.text for cell in row[:2]] == [one.settings[i].label for i in (a, b)]
            says_difference(row[2], d)
            assert row[3].value == d.p
            for cell, parts in zip(row[4:6], known[1:3], strict=True):
                expected = math.sqrt(sum(v for v, _ in parts)) if parts else ""
                assert cell.value == pytest.approx(expected, abs=1e-9)
            if not d.test.seeds_too:
                assert row[6] == Cell("–")
            elif d.seeds_needed is None:
                assert row[6] == ("> 1,000", "", 1001)
            else:
                assert row[6] == (f"{d.seeds_needed:,}", "", d.seeds_needed)


UNESCAPED = {
    r"\textbackslash{}": "\\", r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", "{[}": "[",
    "{*}": "*", "$<$": "<", "$>$": ">", "$|$": "|", r"$\pm$": "±", r"$\Delta$": "Δ", "$-$": "−",
    r"$\cdot$": "·", r"\textdagger{}": "†", r"$\log p(x)$": "log p(x)", r"\allowbreak{}": "",
    r"\raggedright ": "", r"\;[": " [", r",\,": ", ", r"\pm": "±", r"^{\dagger}": "†",
    r"\mbox{--}": "–", "{,}": ",", "~": " ", "--": "–", "''": '"', r"\shortstack[r]{": "",
    **{f"\\{c}": c for c in "{}_%&#$"}, "$": "", "\\\\": " ", "}": "",
}  # fmt: skip
TOKEN = re.compile("|".join(map(re.escape, sorted(UNESCAPED, key=len, reverse=True))))


def of_latex(said):
    return " ".join(TOKEN.sub(lambda match: UNESCAPED[match[0]], said).split())


def cells_of(form, said, widths):
    """The rows of a table as the format has them: a heading, and what is below it."""
    lines = said.splitlines()
    if form == "markdown":
        rows = [line for line in lines if line.startswith("| ")]
        split = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows]
        return [[cell.strip().replace("\\|", "|") for cell in row] for row in split]
    if form == "latex":
        inside = said[said.index(r"\toprule") : said.index(r"\bottomrule")].splitlines()
        rows = [line.removesuffix(r" \\") for line in inside if line.endswith(r" \\")]
        return [[of_latex(cell) for cell in re.split(r"(?<!\\)&", row)] for row in rows]
    begin = next(i for i, line in enumerate(lines) if line.split()[:1] == ["setting"])
    rows = lines[begin : lines.index("", begin)]
    ends = np.cumsum([width + 2 for width in widths])
    return [
        [row[start:end].strip() for start, end in zip([0, *ends], ends, strict=False)]
        for row in rows
    ]


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_every_format_says_every_cell_in_its_place(form):
    make = {"text": text, "markdown": markdown, "latex": latex}[form]
    for one, found in both():
        rows = [[column.heading for column in found.columns]]
        rows += [[" ".join(cell.line.split()) for cell in row] for row in found.rows]
        said = make(one, found)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        got = cells_of(form, said, widths)
        if form != "markdown":
            rows[1:] = [[cell.replace("−", "-") for cell in row] for row in rows[1:]]
        words = [column.is_words for column in found.columns]
        named = [
            cell.text for row in found.rows for cell, own in zip(row, words, strict=True) if own
        ]
        axes = {name.split("=")[0] if name.count("=") == 1 else None for name in named}
        if form == "latex" and len(axes) == 1 and None not in axes:
            (axis,) = axes  # it stands in the heading once
            rows[0][0] = axis
            for row in rows[1:]:
                row[:] = [
                    cell.removeprefix(f"{axis}=") if own else cell
                    for cell, own in zip(row, words, strict=True)
                ]
        assert got == rows
        if form == "text":  # numbers end where their heading does, and no space follows a line
            table_lines = said.splitlines()
            assert all(line == line.rstrip() for line in table_lines)


def test_tables_follow_each_other():
    """In every format all tables are written, with title, notes and caption."""
    for form in ("text", "markdown", "latex"):
        said = " ".join(written(tables(), form).replace("% ", "").replace("> ", "").split())
        for one in tables():
            title = one.title if form != "latex" else one.title.replace("_", r"\_")
            assert title in said
            for note in one.notes:
                words = " ".join(note.split())
                assert words in said or "_" in words


def test_a_page_has_four_columns_and_names_the_others():
    for one in tables():
        said = written([one], "latex")
        heading = cells_of("latex", said, ())[0]
        note = re.search(r"% --columns shows others than these, (.*) too", said)
        if one.asked.columns is not None:
            assert note is None and len(heading) == 1 + len(dict.fromkeys(one.asked.columns))
            continue
        page = [name for name in ("seeds", one.measure, "difference", "p") if name in one.columns]
        assert len(heading) == 1 + len(page)
        rest = [name for name in one.known if name not in page]
        assert (note[1].split(", ") if note else []) == rest


def numbers(line, *names):
    return [float(line[name]) if line[name] else None for name in names]


def test_the_csv_has_every_number_and_no_other():
    lines = list(csv.DictReader(io.StringIO(written(tables(), "csv"))))
    settings = [(one, setting) for one in tables() for setting in one.settings]
    for line, (one, setting) in zip(lines, settings, strict=True):
        assert (line["comparison"], line["unit"]) == (one.title, str(one.unit))
        assert (line["setting"], line["seeds"]) == (setting.label, str(len(setting.runs)))
        assert line["runs"] == " ".join(str(run.path) for run in setting.runs)
        assert line["measure"] == one.measure
        assert line["se_over"] == ("seeds" if len(setting.runs) > 1 else "data")
        for name in QUANTITIES:
            known = setting.averages.get(name, (None, None))[:2]
            known = [None if n is None or math.isnan(n) else n for n in known]
            assert numbers(line, f"{name}_mean", f"{name}_se") == known
        check_tests(line, setting.difference)


def check_tests(line, d):
    known = [None] * 4 if d is None else [d.mean, d.low, d.high, d.p]
    known = [None if n is None or math.isinf(n) else n for n in known]
    names = ("difference", "difference_low", "difference_high", "p_holm")
    assert numbers(line, *names) == known


def test_the_csv_of_pairs_has_every_number_and_no_other():
    lines = list(csv.DictReader(io.StringIO(written(tables(), "csv", pairs=True))))
    pairs = [(one, pair, known) for one in tables() for pair, known in pairs_of(one).items()]
    for line, (one, pair, known) in zip(lines, pairs, strict=True):
        d, (_, seeds, data, freedom, error, *_) = one.family.differences[pair], known
        assert (line["comparison"], line["unit"], line["measure"]) == (
            one.title, str(one.unit), one.measure,
        )  # fmt: skip
        assert [line["setting"], line["other"]] == [one.settings[i].label for i in pair]
        check_tests(line, d)
        parts = [math.sqrt(sum(v for v, _ in part)) for part in (seeds, data)]
        expected = [
            None if math.isinf(error) else error,
            freedom,
            parts[0],
            parts[1] if data else None,
        ]
        found = numbers(line, "se", "degrees_of_freedom", "se_seeds", "se_data")
        assert [n is None for n in found] == [n is None for n in expected]
        found, expected = ([n for n in some if n is not None] for some in (found, expected))
        assert found == pytest.approx(expected, abs=1e-9, rel=1e-6)
        assert line["seeds_needed"] == ("" if d.seeds_needed is None else str(d.seeds_needed))


def test_a_table_fits_its_page_in_latex():
    """By the widths of letters and gaps that it counts with: 4.6 and 8 points of 345."""
    one = tables()[0]
    for count in (1, 2):
        for letters in (3, 12, 20, 30, 45, 90):
            for numbers in (0, 2, 4):
                words = [Column(f"w{i}", "name", is_words=True) for i in range(count)]
                columns = [*words, *(Column(f"n{i}", "n") for i in range(numbers))]
                row = [Cell("a" * letters)] * count + [Cell("1" * 11)] * numbers
                said = latex(one, Table(columns, [row]))
                whole = 4.6 * (count * letters + 11 * numbers) + 8 * len(columns)
                broken = [float(n) for n in re.findall(r"p\{(\d+)pt\}", said)]
                assert bool(broken) == (whole > 345)
                if broken:
                    left = (345 - 4.6 * 11 * numbers - 8 * len(columns)) / count
                    assert broken == [pytest.approx(max(left, 40), abs=0.6)] * count
                heading = re.search(r"\\begin\{tabular\}\{(.*)\}", said)[1]
                kinds = re.sub(r"p\{\d+pt\}", "l", heading)
                assert kinds == "l" * count + "r" * numbers
