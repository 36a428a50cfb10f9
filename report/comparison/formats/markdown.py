"""A table in Markdown, with pipes."""

from collections.abc import Sequence

from report.comparison.cells import Table, caption
from report.comparison.comparing import Comparison
from report.comparison.verdict import verdict


def markdown(comparison: Comparison, table: Table) -> str:
    """Writes the title, the verdict, notes as quotations, the table and its caption."""
    found = verdict(comparison)
    rules = ["---" if column.is_words else "---:" for column in table.columns]
    rows = [
        _row([column.heading for column in table.columns]),
        f"|{'|'.join(rules)}|",
        *(_row([cell.line for cell in row]) for row in table.rows),
    ]
    sentences = " ".join(filter(None, found))
    blocks = [f"**{comparison.title}**", sentences, *(f"> {note}" for note in comparison.notes)]
    blocks = [" ".join(block.split()) for block in blocks]
    return "\n\n".join([*blocks, "\n".join(rows), caption(comparison)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
