"""Comparisons as text, CSV, Markdown and LaTeX."""

import csv
import io
import math
from collections.abc import Callable, Sequence

from report.comparison.comparing import Comparison, Setting
from report.comparison.measure import measure_name
from report.comparison.quantities import Quantity
from report.comparison.statistics import LEVEL, Average
from report.comparison.units import Unit


def number(average: Average | None, digits: int = 2) -> str:
    """Writes `mean ± standard error`, or the mean alone for a single seed."""
    if average is None:
        return "–"
    error = "" if math.isnan(average.error) else f" ± {average.error:.{digits}f}"
    return f"{average.mean:.{digits}f}{error}"


def difference(setting: Setting, digits: int = 2) -> str:
    """Writes the difference to the best setting with its simultaneous interval."""
    d = setting.difference
    if d is None:
        return "best"
    if math.isinf(d.standard_error):  # of a single datum and a single seed each
        return f"{d.mean:+.{digits}f} [–]"
    return f"{d.mean:+.{digits}f} [{d.low:+.{digits}f}, {d.high:+.{digits}f}]"


def p_value(setting: Setting) -> str:
    """Writes the Holm-adjusted p-value."""
    if setting.difference is None:
        return ""
    return "<0.001" if setting.difference.p < 0.001 else f"{setting.difference.p:.3f}"


def difference_digits(comparison: Comparison) -> int:
    """Returns how many decimals show two digits of a typical standard error, from 2 to 5."""
    differences = [s.difference for s in comparison.settings if s.difference is not None]
    errors = sorted(d.standard_error for d in differences if math.isfinite(d.standard_error))
    typical = errors[len(errors) // 2] if errors else 0.0
    return min(max(1 - math.floor(math.log10(typical)), 2), 5) if typical > 0 else 2


def caption(comparison: Comparison) -> str:
    """Says once what the columns mean."""
    return (
        f"{comparison.unit}; mean ± standard error over seeds; ordered by "
        f"{comparison.measure_name}; Δ: paired per datum to the best, {LEVEL:.0%} simultaneous "
        "interval; p: Holm-adjusted over all pairs"
    )


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Returns the heading and the rows of a table as words."""
    columns, runs = comparison.columns, comparison.runs
    names = [measure_name(name, runs) for name in columns]
    digits = {name: comparison.unit.digits for name in columns}
    digits[Quantity.BITS] = Unit.BITS.digits
    rows = [
        [
            setting.label,
            str(len(setting.runs)),
            *(number(setting.averages.get(name), digits[name]) for name in columns),
            difference(setting, difference_digits(comparison)),
            p_value(setting),
        ]
        for setting in comparison.settings
    ]
    return ["setting", "seeds", *names, "Δ to best", "p"], rows


def text(comparison: Comparison) -> str:
    """Writes aligned columns for a terminal."""
    header, rows = cells(comparison)
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in table
    ]
    notes = [f"! {note}" for note in comparison.notes]
    return "\n".join([comparison.title, caption(comparison), *notes, "", *lines])


def markdown(comparison: Comparison) -> str:
    """Writes a table in Markdown, with pipes."""
    header, rows = cells(comparison)
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in [header, *rows]
    ]
    rule = "|---|" + "---:|" * (len(header) - 1)
    notes = "".join(f"\n> {note}\n" for note in comparison.notes)
    table = "\n".join([lines[0], rule, *lines[1:]])
    return f"**{comparison.title}**\n\n{caption(comparison)}\n{notes}\n{table}"


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "^": r"\^{}",
    "~": r"\~{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "–": "--",
    "·": r"$\cdot$",
    "−": "$-$",
    "<": "$<$",
}


def latex(comparison: Comparison) -> str:
    """Writes a booktabs table, ready to include."""
    header, rows = cells(comparison)
    title = ". ".join([comparison.title, caption(comparison), *comparison.notes])
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_escaped(title)}.}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"  \toprule",
        _latex_row(header),
        r"  \midrule",
        *map(_latex_row, rows),
        r"  \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _latex_row(row: Sequence[str]) -> str:
    return "  " + " & ".join(map(_escaped, row)) + r" \\"


def _escaped(words: str) -> str:
    return "".join(LATEX.get(c, c) for c in words)


def as_csv(comparisons: Sequence[Comparison]) -> str:
    """Writes one line for each setting, with every number in full and in a column of its own."""
    columns = list(dict.fromkeys(name for comparison in comparisons for name in comparison.columns))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    measured = [f"{name}_{part}" for name in columns for part in ("mean", "se")]
    tests = ["measure", "difference", "difference_low", "difference_high", "p_holm"]
    writer.writerow(["comparison", "unit", "setting", "seeds", "runs", *measured, *tests])
    missing = Average(math.nan, math.nan)
    for comparison in comparisons:
        for s in comparison.settings:
            averages = [value for name in columns for value in s.averages.get(name, missing)]
            d = s.difference
            tested = [math.nan] * 4 if d is None else [d.mean, d.low, d.high, d.p]
            runs = " ".join(str(run.path) for run in s.runs)
            what = [comparison.title, comparison.unit, s.label, len(s.runs), runs]
            numbers = [*map(_plain, averages), comparison.measure, *map(_plain, tested)]
            writer.writerow([*what, *numbers])
    return buffer.getvalue()


def _plain(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""


def _one_after_the_other(
    write: Callable[[Comparison], str],
) -> Callable[[Sequence[Comparison]], str]:
    return lambda comparisons: "\n\n".join(map(write, comparisons)) + "\n"


FORMATS: dict[str, Callable[[Sequence[Comparison]], str]] = {
    "text": _one_after_the_other(text),
    "csv": as_csv,
    "markdown": _one_after_the_other(markdown),
    "latex": _one_after_the_other(latex),
}
