"""Comparisons as text, CSV, Markdown and LaTeX: a row for each setting, or for each pair."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from report.comparison.cells import Table, pairs_table, table
from report.comparison.comparing import Comparison
from report.comparison.formats.latex import latex
from report.comparison.formats.markdown import markdown
from report.comparison.formats.spreadsheet import pairs_csv, settings_csv
from report.comparison.formats.text import text

ONE_BY_ONE: dict[str, Callable[[Comparison, Table], str]] = {
    "text": text,
    "markdown": markdown,
    "latex": latex,
}


def written(comparisons: Sequence[Comparison], form: str, pairs: bool = False) -> str:
    """Returns the tables in the format `form`."""
    if form == "csv":
        return (pairs_csv if pairs else settings_csv)(comparisons)
    rows = pairs_table if pairs else table
    if form == "latex":
        comparisons = list(map(_for_a_page, comparisons))
    return "\n\n".join(ONE_BY_ONE[form](one, rows(one)) for one in comparisons) + "\n"


def _for_a_page(comparison: Comparison) -> Comparison:
    """Returns it with the columns that a page has room for, unless some were asked for.

    A note names those that are left out.
    """
    if comparison.asked.columns is not None:
        return comparison
    page = ("seeds", comparison.measure, "difference", "p")
    columns = [name for name in page if name in comparison.columns]
    rest = ", ".join(name for name in comparison.known if name not in columns)
    note = f"--columns shows others than these, {rest} too" if rest else ""
    asked = replace(comparison.asked, columns=columns)
    return replace(comparison, asked=asked, notes=[*comparison.notes, note])
