"""Published figures beside ours, as tables; the package `published` makes the rows."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evaluation.measured import typeset
from report.page.made import duration

WIDTH = 110
HEADINGS = (
    "cell",
    "claimed",
    "ours",
    "s.e. images",
    "s.e. seeds",
    "ours − claimed, 90 %",
    "verdict",
)


@dataclass(frozen=True)
class Row:
    """A cell, its facts in the order to read them, and what was measured; "" where nothing was."""

    name: str
    title: str
    claimed: str
    facts: Mapping[str, str]
    commands: Sequence[str]
    ours: str = ""
    se_images: str = ""
    se_seeds: str = ""
    seeds: str = ""
    interval: str = ""
    verdict: str = ""
    because: str = ""
    found: str = ""
    seconds: float = 0.0
    measured: Mapping[str, str] = field(default_factory=dict)
    shortened: bool = False

    @property
    def time(self) -> str:
        """How long it took to measure."""
        return duration(self.seconds) if self.verdict else ""

    @property
    def cells(self) -> list[str]:
        """The numbers of the row, as the columns have them."""
        numbers = [self.claimed, self.ours, self.se_images, self.se_seeds, self.interval]
        verdict = f"{self.verdict} (shortened)" if self.shortened else self.verdict
        return [*map(typeset, numbers), verdict if self.verdict else "not measured", self.time]


def table(rows: Sequence[Row]) -> str:
    """Returns aligned columns for a terminal, with the reasons below them."""
    lines = [[*HEADINGS, "time"], *([row.name, *row.cells] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(
            cell.ljust(width) if index in (0, 6) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    reasons = [
        textwrap.fill(f"{row.name}: {row.verdict}, because {row.because}.", WIDTH)
        for row in rows
        if row.because
    ]
    return "\n".join(["\n".join(aligned), *([""] if reasons else []), *reasons])


def markdown(rows: Sequence[Row]) -> str:
    """Returns the rows that were measured as tables for a document: figures, and what differs."""
    heads = ["cell", "claimed", "ours", "s.e. images", "s.e. seeds (n)", "ours − claimed, 90 %",
             "verdict", "seconds", "hardware", "date, revision"]  # fmt: skip
    lines = [heads, ["---", *["---:"] * 5, "---", "---:", "---", "---"]]
    differs = [["cell", "what is claimed", "what differs from its protocol"], ["---"] * 3]
    for row in rows:
        if row.verdict:
            claimed, ours, images, seeds, interval, verdict, _ = row.cells
            made = f"{row.measured['date']}, `{row.measured['revision'][:7]}`"
            over = f"{seeds or '–'} ({row.seeds})"
            lines.append([f"`{row.name}`", claimed, ours, images or "–", over, interval, verdict,
                          f"{row.seconds:,.0f}", row.measured["hardware"], made])  # fmt: skip
            because = f" {row.verdict.capitalize()}, because {row.because}." if row.because else ""
            said = f"{row.facts['what differs'].rstrip('.')}.{because}"
            differs.append([f"`{row.name}`", row.facts["claim"], said])
    return "\n\n".join(
        "\n".join(f"| {' | '.join(line)} |" for line in part) for part in (lines, differs)
    )
