"""What stands in the cells of a table, whatever it is written as."""

import math
from collections.abc import Callable
from typing import NamedTuple

from evaluation.measured import typeset
from report.comparison.comparing import Comparison, Setting
from report.comparison.measure import measure_name
from report.comparison.power import MOST_SEEDS, POWER
from report.comparison.quantities import Quantity
from report.comparison.statistics import LEVEL, Difference
from report.comparison.units import Unit

# What is said of a mean whose error is over data, beside others whose error is over seeds.
OVER_DATA = "†"


class Cell(NamedTuple):
    """A number with its error or interval, and what it is sorted by."""

    text: str
    beside: str = ""
    value: float | str = ""

    @property
    def line(self) -> str:
        """Both on one line."""
        return f"{self.text} {self.beside}".rstrip()


class Column(NamedTuple):
    """What a column is called as an option, and in its heading."""

    name: str
    heading: str
    is_words: bool = False


class Table(NamedTuple):
    """Columns, and a cell for each in every row."""

    columns: list[Column]
    rows: list[list[Cell]]


def table(comparison: Comparison) -> Table:
    """Returns a row for each setting."""
    to = "reference" if comparison.family.is_reference else "best"
    headings = {"seeds": "seeds", "difference": f"Δ to {to}", "p": "p"}
    columns = [Column("setting", "setting", is_words=True)]
    for name in comparison.columns:
        heading = headings.get(name) or measure_name(name, comparison.runs)
        columns.append(Column(name, heading))
    digits = difference_digits(comparison)
    tested: dict[str, Callable[[Setting], Cell]] = {
        "seeds": lambda setting: Cell(str(len(setting.runs)), value=len(setting.runs)),
        "difference": lambda setting: _difference(setting.difference, digits, to),
        "p": lambda setting: _p(setting.difference),
    }

    def cell(setting: Setting, name: str) -> Cell:
        return tested[name](setting) if name in tested else _average(setting, name, comparison)

    rows = [
        [Cell(s.label, value=s.label), *(cell(s, name) for name in comparison.columns)]
        for s in comparison.settings
    ]
    return Table(columns, rows)


def pairs_table(comparison: Comparison) -> Table:
    """Returns a row for each comparison of two settings, with what its error is made of."""
    columns = [
        Column("setting", "setting", is_words=True),
        Column("other", "minus", is_words=True),
        Column("difference", "Δ"),
        Column("p", "p"),
        Column("se_seeds", "s.e. of seeds"),
        Column("se_data", "s.e. of data"),
        Column("seeds_needed", f"seeds for {POWER:.0%}".replace("%", " %")),
    ]
    digits = difference_digits(comparison)
    rows = []
    for (a, b), d in comparison.family.differences.items():
        one, other = (comparison.settings[index].label for index in (a, b))
        seeds = math.sqrt(sum(part.variance for part in d.test.seeds)) if d.test.seeds else None
        data = None if d.test.data is None else math.sqrt(d.test.data.variance)
        rows.append(
            [
                Cell(one, value=one),
                Cell(other, value=other),
                _difference(d, digits),
                _p(d),
                *(_number(error, digits) for error in (seeds, data)),
                _needed(d),
            ]
        )
    return Table(columns, rows)


def _average(setting: Setting, name: str, comparison: Comparison) -> Cell:
    average = setting.averages.get(name)
    if average is None:
        return Cell("–")
    digits = Unit.BITS.digits if name == Quantity.BITS else comparison.unit.digits
    mark = OVER_DATA if average.over == "data" and len(errors_over(comparison)) > 1 else ""
    error = "" if math.isnan(average.error) else f"± {average.error:.{digits}f}{mark}"
    return Cell(typeset(f"{average.mean:z.{digits}f}"), error, average.mean)


def errors_over(comparison: Comparison) -> list[str]:
    """Returns what the standard errors of the means are over: seeds, data, or both."""
    return sorted({s.averages[comparison.measure].over for s in comparison.settings})


def _difference(d: Difference | None, digits: int, baseline: str = "") -> Cell:
    if d is None:
        return Cell(baseline, value=0.0)
    mean = typeset(f"{d.mean:+z.{digits}f}")
    if math.isinf(d.test.error):  # of a single datum and a single seed each
        return Cell(mean, "[–]", d.mean)
    return Cell(mean, typeset(f"[{d.low:+z.{digits}f}, {d.high:+z.{digits}f}]"), d.mean)


def _p(d: Difference | None) -> Cell:
    return Cell("", value=2.0) if d is None else Cell(p_value(d.p), value=d.p)


def p_value(p: float) -> str:
    """Writes a p-value, none of which is zero."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(value: float | None, digits: int) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.{digits}f}", value=value)


def _needed(d: Difference) -> Cell:
    if not d.test.seeds_too:
        return Cell("–")
    if d.seeds_needed is None:
        return Cell(f"> {MOST_SEEDS:,}", value=MOST_SEEDS + 1)
    return Cell(f"{d.seeds_needed:,}", value=d.seeds_needed)


def difference_digits(comparison: Comparison) -> int:
    """Returns how many decimals show two digits of a typical standard error, from 2 to 5."""
    errors = sorted(d.test.error for d in comparison.family.differences.values())
    finite = [error for error in errors if math.isfinite(error)]
    typical = finite[len(finite) // 2] if finite else 0.0
    return min(max(1 - math.floor(math.log10(typical)), 2), 5) if typical > 0 else 2


def caption(comparison: Comparison) -> str:
    """Says once what the columns of settings mean."""
    means = {
        "seeds": "mean ± standard error over seeds",
        "data": "mean ± standard error over the data (a single seed each)",
        "data seeds": f"mean ± standard error over seeds ({OVER_DATA} over the data)",
    }[" ".join(errors_over(comparison))]
    words = [str(comparison.unit), f"ordered by {comparison.measure_name}"]
    if set(comparison.columns) & set(Quantity):
        words.insert(1, means)
    if {"difference", "p"} & set(comparison.columns) and comparison.family.differences:
        words.append(pairs_caption(comparison))
    return "; ".join(words)


def pairs_caption(comparison: Comparison) -> str:
    """Says what differences, intervals and p-values are."""
    count = len(comparison.family.differences)
    together = f"together for all {count} pairs" if count > 1 else "for the pair"
    p = f"p: Holm-adjusted over the {count} pairs" if count > 1 else "p: of the same test"
    return (
        f"Δ: paired per datum, with an interval over data and seeds that holds {together} at "
        f"{LEVEL * 100:.0f} % (Bonferroni, Satterthwaite); {p}"
    )
