"""All published figures as a page: claimed, ours, verdict, time, hardware."""

from collections.abc import Sequence
from pathlib import Path

from experiment.files import write_whole
from report.page.template import render
from report.published import HEADINGS, Row


def write_page(rows: Sequence[Row], path: Path) -> None:
    """Writes one self-contained HTML file to `path`."""
    counts = {word: sum(row.verdict == word for row in rows) for word in {r.verdict for r in rows}}
    said = [f"{count} {word or 'not measured'}" for word, count in sorted(counts.items())]
    page = render(
        "published.html.j2",
        title="Published figures, measured again",
        rows=rows,
        headings=[*HEADINGS, "time"],
        summary=f"{len(rows)} cells: {', '.join(said)}.",
    )
    write_whole(path, page.encode(errors="backslashreplace"))
