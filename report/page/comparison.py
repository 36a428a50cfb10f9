"""The comparison as a page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import RequestError
from inference.run_directory import write_whole
from report.comparison import tables
from report.comparison.comparing import Comparison, Setting, differing
from report.page.charts import Chart, Scale, charts
from report.page.template import render

FIGURES = {"reconstructions": "Reconstructions", "samples": "Samples", "latent_space": "Latent spaces"}
FIGURE_BYTES = 15_000_000
"""For all figures of a page together; base64 makes a third more of them."""


@dataclass(frozen=True)
class Cell:
    """A number as it is shown and as it is sorted."""

    text: str
    value: float | str


@dataclass(frozen=True)
class Section:
    """One table of the page with what belongs to it."""

    comparison: Comparison
    header: list[str]
    rows: list[list[Cell]]
    forest: list[dict[str, Any] | None]
    charts: list[Chart]
    figures: dict[str, list[tuple[int, str, str]]]
    """By heading: (number of the setting, its label, the picture as a data: address)."""
    differences: tuple[list[str], list[list[str]]]
    caption: str


def write_page(comparisons: Sequence[Comparison], path: Path) -> None:
    """One self-contained HTML file at `path`."""
    pictures = sum(len(comparison.settings) * len(FIGURES) for comparison in comparisons)
    most = FIGURE_BYTES // max(pictures, 1)
    sections = [_section(comparison, most) for comparison in comparisons]
    page = render("comparison.html.j2", sections=sections, title="Comparison of runs")
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise RequestError(f"--out {path}: cannot be written ({error.strerror})") from error


def _section(comparison: Comparison, most: int) -> Section:
    header, words = tables.cells(comparison)
    rows: list[list[Cell]] = []
    for row, setting in zip(words, comparison.settings, strict=True):
        rows.append([Cell(text, value) for text, value in zip(row, _values(comparison, setting), strict=True)])
    return Section(
        comparison,
        header,
        rows,
        _forest(comparison.settings),
        charts(comparison),
        {title: pictures for name, title in FIGURES.items() if (pictures := _pictures(comparison, name, most))},
        _differences(comparison.settings),
        tables.caption(comparison),
    )


def _values(comparison: Comparison, setting: Setting) -> list[float | str]:
    d = setting.difference
    measured = [setting.summary[c][0] if c in setting.summary else "" for c in comparison.columns]
    return [setting.label, len(setting.runs), *measured, 0.0 if d is None else d.mean, 2.0 if d is None else d.p]


def _forest(settings: Sequence[Setting]) -> list[dict[str, Any] | None]:
    """Each difference with its interval, on one scale of 120 pixels; None for the best."""
    shown = [s.difference for s in settings if s.difference is not None]
    ends = [0.0, *(v for d in shown for v in (d.mean, d.low, d.high))]
    x = Scale(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1, 4, 116)
    return [
        None if d is None else {"low": x(d.low), "high": x(d.high), "mean": x(d.mean), "zero": x(0.0)}
        for d in (s.difference for s in settings)
    ]


def _pictures(comparison: Comparison, name: str, most: int) -> list[tuple[int, str, str]]:
    """The first seed of every setting that has the figure."""
    found = []
    for index, setting in enumerate(comparison.settings):
        content = setting.runs[0].figure(name)
        if content is not None:
            found.append((index, f"{setting.label}, seed {setting.runs[0].seed}", picture(content, most)))
    return found


def picture(png: bytes, most: int) -> str:
    """As a data: address; drawn smaller where it has more than `most` bytes, so that a page of many runs stays light."""
    if len(png) > most:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as original:
                if original.width * original.height > 50_000_000:
                    return ""
                small = original.convert("RGB")
                small.thumbnail((900, 900))
                buffer = io.BytesIO()
                small.save(buffer, "WEBP", quality=80)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return ""
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _differences(settings: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Options in which the settings differ, and each setting's values."""
    every = [setting.runs[0].settings for setting in settings]
    options = differing(every)
    return options, [["–" if option not in one else str(one[option]) for option in options] for one in every]
