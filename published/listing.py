"""What reproduce.py --list prints. Needs no torch."""

from collections.abc import Iterable

from published.cell import Cell, takes_a_gpu


def listing(cells: Iterable[Cell]) -> str:
    """Returns a line for each cell: its name, what is claimed, by whom, and the expected time."""
    rows = [(cell.name, f"{cell.claim.value:g}", cell.title, _expected(cell)) for cell in cells]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {claim:>{widths[1]}}  {title:<{widths[2]}}  {time:>7}"
        for name, claim, title, time in rows
    )


def _expected(cell: Cell) -> str:
    return f"{cell.minutes:g} min" + (f", {cell.hardware}" if takes_a_gpu(cell) else "")
