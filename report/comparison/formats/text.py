"""A table for a terminal, the verdict first."""

import textwrap

from report.comparison.cells import Table, caption
from report.comparison.comparing import Comparison
from report.comparison.verdict import verdict

WIDTH = 110


def text(comparison: Comparison, table: Table) -> str:
    """Writes the verdict and aligned columns, with the minus sign that programs read."""
    rows = [
        [
            _plain(cell.line, column.is_words)
            for cell, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    header = [column.heading for column in table.columns]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    left = [column.is_words for column in table.columns]
    lines = [
        "  ".join(
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(row, widths, left, strict=True)
        ).rstrip()
        for row in [header, *rows]
    ]
    found = verdict(comparison)
    sentences = [found.sentence, found.outlook, *(f"! {note}" for note in comparison.notes)]
    above = [_paragraph(sentence) for sentence in sentences if sentence]
    below = _paragraph(caption(comparison))
    return "\n".join([comparison.title, "", *above, "", *lines, "", below])


def _paragraph(sentence: str) -> str:
    """Fills lines of the terminal, and breaks no command or path."""
    return textwrap.fill(
        sentence,
        WIDTH,
        subsequent_indent="  " * sentence.startswith("! "),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _plain(cell: str, is_words: bool) -> str:
    return cell if is_words else cell.replace("−", "-")
