"""A booktabs table that a paper can paste."""

import re
from collections.abc import Sequence

from report.comparison.cells import Table, caption
from report.comparison.comparing import Comparison
from report.comparison.verdict import verdict

# What text mode has no letter for, or takes for a command. A bracket or an asterisk at the start of
# a row would be an argument of the row's end above it.
TEXT = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "{}_%&#$"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "[": "{[}",
    "*": "{*}",
    '"': "''",
    "–": "--",
    **{c: f"${c}$" for c in "<>|"},
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "·": r"$\cdot$",
    "−": "$-$",
    "†": r"\textdagger{}",
    "‖": r"$\|$",
}
MATH = {"−": "-", "±": r"\pm", "†": r"^{\dagger}", "–": r"\mbox{--}", " [": r"\;[", ", ": r",\, "}


def latex(comparison: Comparison, table: Table) -> str:
    """Writes the table; what the runs say and what is to be noted stand above it as comments."""
    found = verdict(comparison)
    said = [*found, *comparison.notes, r"\usepackage{booktabs} is needed"]
    heading = ["$p$" if column.name == "p" else _text(column.heading) for column in table.columns]
    rows = [
        [
            _text(cell.line) if column.is_words else _math(cell.line)
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    lines = [
        *(f"% {' '.join(words.split())}" for words in said if words),
        r"\begin{table}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        f"  \\caption{{{_text(f'{comparison.title}; {caption(comparison)}')}.}}",
        f"  \\begin{{tabular}}{{{''.join('l' if c.is_words else 'r' for c in table.columns)}}}",
        r"    \toprule",
        _row(heading),
        r"    \midrule",
        *map(_row, rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _text(words: str) -> str:
    return "".join(TEXT.get(c, c) for c in words).replace("log p(x)", r"$\log p(x)$")


def _math(number: str) -> str:
    """Writes a number with its error or interval as a formula; words stay words."""
    if not re.search(r"\d", number):
        return _text(number)
    number = re.sub(r",(?=\d)", "{,}", number)  # between thousands, where TeX would put a space
    for sign, command in MATH.items():
        number = number.replace(sign, command)
    return f"${number}$"
