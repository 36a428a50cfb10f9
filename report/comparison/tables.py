"""Comparisons as text, CSV, Markdown and LaTeX."""

import csv
import io
import math
from collections.abc import Callable, Sequence

from report.comparison.comparing import Comparison, Setting, measure_name
from report.comparison.statistics import LEVEL


def number(pair: tuple[float, float] | None, digits: int = 2) -> str:
    """`mean ± s.e.`; the mean alone for a single seed."""
    if pair is None:
        return "–"
    mean, error = pair
    return f"{mean:.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")


def difference(setting: Setting, digits: int = 2) -> str:
    """Paired, to the best, with its simultaneous interval."""
    d = setting.difference
    return (
        "best" if d is None else f"{d.mean:+.{digits}f} [{d.low:+.{digits}f}, {d.high:+.{digits}f}]"
    )


def p_value(setting: Setting) -> str:
    """Holm-adjusted."""
    if setting.difference is None:
        return ""
    return "<0.001" if setting.difference.p < 0.001 else f"{setting.difference.p:.3f}"


def difference_digits(comparison: Comparison) -> int:
    """Enough for two significant digits of a typical standard error, from 2 to 5."""
    errors = sorted(
        s.difference.standard_error for s in comparison.settings if s.difference is not None
    )
    typical = errors[len(errors) // 2] if errors else 0.0
    return min(max(1 - math.floor(math.log10(typical)), 2), 5) if typical > 0 else 2


def digits_of(comparison: Comparison) -> int:
    """Bits per dimension differ in the fourth decimal, nats in the second."""
    return 4 if comparison.unit.startswith("bits") else 2


def caption(comparison: Comparison) -> str:
    """What the columns mean, once."""
    return (
        f"{comparison.unit}; mean ± standard error over seeds; ordered by {comparison.measure_name}; Δ: paired per datum to "
        f"the best, {LEVEL:.0%} simultaneous interval; p: Holm-adjusted over all pairs"
    )


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table as words."""
    runs = [run for setting in comparison.settings for run in setting.runs]
    names = [
        measure_name(name, runs) if name != "bits_per_dim" else "bits/dim"
        for name in comparison.columns
    ]
    header = ["setting", "seeds", *names, "Δ to best", "p"]
    digits = digits_of(comparison)
    rows = []
    for setting in comparison.settings:
        measured = [
            number(setting.summary.get(c), 4 if c == "bits_per_dim" else digits)
            for c in comparison.columns
        ]
        rows.append(
            [
                setting.label,
                str(len(setting.runs)),
                *measured,
                difference(setting, difference_digits(comparison)),
                p_value(setting),
            ]
        )
    return header, rows


def text(comparisons: Sequence[Comparison]) -> str:
    """For a terminal."""
    blocks = []
    for comparison in comparisons:
        header, rows = cells(comparison)
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in [header, *rows]
        ]
        blocks.append(
            "\n".join(
                [
                    comparison.title,
                    caption(comparison),
                    *(f"! {n}" for n in comparison.notes),
                    "",
                    *lines,
                ]
            )
        )
    return "\n\n".join(blocks) + "\n"


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Pipe tables."""
    blocks = []
    for comparison in comparisons:
        header, rows = cells(comparison)
        escaped = [
            [cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in [header, *rows]
        ]
        lines = ["| " + " | ".join(row) + " |" for row in escaped]
        rule = "|---|" + "---:|" * (len(header) - 1)
        notes = "".join(f"\n> {note}\n" for note in comparison.notes)
        blocks.append(
            f"**{comparison.title}**\n\n{caption(comparison)}\n{notes}\n"
            + "\n".join([lines[0], rule, *lines[1:]])
        )
    return "\n\n".join(blocks) + "\n"


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
}
LATEX |= {
    "^": r"\^{}",
    "~": r"\~{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "–": "--",
    "·": r"$\cdot$",
    "−": "$-$",
    "<": "$<$",
}


def latex(comparisons: Sequence[Comparison]) -> str:
    """booktabs tables, ready to include."""
    blocks = []
    for comparison in comparisons:
        header, rows = cells(comparison)

        def line(row: Sequence[str]) -> str:
            return (
                "  " + " & ".join("".join(LATEX.get(c, c) for c in cell) for cell in row) + r" \\"
            )

        title = "".join(
            LATEX.get(c, c)
            for c in ". ".join([comparison.title, caption(comparison), *comparison.notes])
        )
        top = [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{title}.}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        ]
        body = [r"  \toprule", line(header), r"  \midrule", *map(line, rows), r"  \bottomrule"]
        blocks.append("\n".join([*top, *body, r"  \end{tabular}", r"\end{table}"]))
    return "\n\n".join(blocks) + "\n"


def as_csv(comparisons: Sequence[Comparison]) -> str:
    """One line a setting, full precision, every number in a column of its own."""
    columns = list(dict.fromkeys(name for comparison in comparisons for name in comparison.columns))
    fixed = ["comparison", "unit", "setting", "seeds", "runs"]
    numbers = [f"{name}_{part}" for name in columns for part in ("mean", "se")]
    tests = ["measure", "difference", "difference_low", "difference_high", "p_holm"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*fixed, *numbers, *tests])
    for comparison in comparisons:
        for s in comparison.settings:
            measured = [
                _plain(v) for name in columns for v in s.summary.get(name, (math.nan, math.nan))
            ]
            d = s.difference
            tested = (
                ["", "", "", ""] if d is None else [_plain(v) for v in (d.mean, d.low, d.high, d.p)]
            )
            runs = " ".join(str(run.path) for run in s.runs)
            writer.writerow(
                [
                    comparison.title,
                    comparison.unit,
                    s.label,
                    len(s.runs),
                    runs,
                    *measured,
                    comparison.measure,
                    *tested,
                ]
            )
    return buffer.getvalue()


def _plain(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


FORMATS: dict[str, Callable[[Sequence[Comparison]], str]] = {
    "text": text,
    "csv": as_csv,
    "markdown": markdown,
    "latex": latex,
}
