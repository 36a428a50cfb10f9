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


# Points of a text's width in LaTeX's own classes, of a letter of `\\small`, and between columns.
ROOM, LETTER, BETWEEN_COLUMNS = 345, 4.6, 8
# The letters from which on a heading of several words has two lines.
LONG_HEADING = 10


def latex(comparison: Comparison, table: Table) -> str:
    """Writes the table; what the runs say and what is to be noted stand above it as comments.

    Where the page has no room for the names of settings on a line, they are broken into several.
    """
    found = verdict(comparison)
    said = [*found, *comparison.notes, r"\usepackage{booktabs} is needed"]
    table = _without_the_axis(table)
    heading = [
        "$p$" if column.name == "p" else _heading(column.heading) for column in table.columns
    ]
    width = _room_for_words(table)
    words = "l" if width is None else f"p{{{width:.0f}pt}}"
    rows = [
        [
            _words(cell.line, width is not None) if column.is_words else _math(cell.line)
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    lines = [
        *(f"% {' '.join(line.split())}" for line in said if line),
        r"\begin{table}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        f"  \\caption{{{_text(f'{comparison.title}; {caption(comparison)}')}.}}",
        f"  \\begin{{tabular}}{{{''.join(words if c.is_words else 'r' for c in table.columns)}}}",
        r"    \toprule",
        _row(heading),
        r"    \midrule",
        *map(_row, rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _without_the_axis(table: Table) -> Table:
    """Moves what all names of settings begin with, as `prior=`, into the heading."""
    names = [
        c.text
        for row in table.rows
        for c, column in zip(row, table.columns, strict=True)
        if column.is_words
    ]
    axes = {name.partition("=")[0] for name in names}
    if len(axes) != 1 or not all(name.count("=") == 1 for name in names):
        return table
    (axis,) = axes
    columns = [c._replace(heading=axis) if c.name == "setting" else c for c in table.columns]
    rows = [
        [
            cell._replace(text=cell.text.partition("=")[2]) if column.is_words else cell
            for cell, column in zip(row, columns, strict=True)
        ]
        for row in table.rows
    ]
    return Table(columns, rows)


def _room_for_words(table: Table) -> float | None:
    """Returns the width of a column of words in points, if its words have to be broken."""
    letters = [
        max(map(len, [*(cell.line for cell in cells), *_in_lines(column.heading)]))
        for column, *cells in zip(table.columns, *table.rows, strict=True)
    ]
    count = sum(column.is_words for column in table.columns)
    taken = LETTER * sum(letters) + BETWEEN_COLUMNS * len(letters)
    if taken <= ROOM:
        return None
    own = LETTER * sum(
        n for n, column in zip(letters, table.columns, strict=True) if column.is_words
    )
    return max((ROOM - taken + own) / count, 40.0)


def _words(words: str, broken: bool) -> str:
    """Returns the name of a setting; if it is to be broken, where its parts end."""
    text = _text(words)
    if not broken:
        return text
    text = re.sub(r"([=.]|\\_)(?=\w)", r"\1\\allowbreak{}", text)
    return r"\raggedright " + text.replace(r" $\cdot$", r"~$\cdot$")


def _in_lines(heading: str) -> list[str]:
    """Returns a heading in one line, or in two if it is long.

    >>> _in_lines("s.e. of seeds"), _in_lines("Δ to best")
    (['s.e. of', 'seeds'], ['Δ to best'])
    """
    spaces = [at for at, letter in enumerate(heading) if letter == " "]
    if len(heading) < LONG_HEADING or not spaces:
        return [heading]
    at = min(spaces, key=lambda at: abs(at - len(heading) / 2))
    return [heading[:at], heading[at + 1 :]]


def _heading(heading: str) -> str:
    lines = [_text(line) for line in _in_lines(heading)]
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{lines[0]}\\{lines[1]}}}"


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
