"""The comparison as a page."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import RequestError
from experiment.files import write_whole
from report.comparison import tables
from report.comparison.comparing import Comparison, Setting, differing
from report.page.chart import Chart, Scale
from report.page.charts import charts
from report.page.pictures import picture
from report.page.template import render

FIGURES = {
    "reconstructions": "Reconstructions",
    "samples": "Samples",
    "latent_space": "Latent spaces",
}
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
    most = _most(comparisons)
    sections = [_section(comparison, most) for comparison in comparisons]
    page = render("comparison.html.j2", sections=sections, title="Comparison of runs")
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise RequestError(f"--out {path}: cannot be written ({error.strerror})") from error


def _most(comparisons: Sequence[Comparison]) -> int:
    """Bytes of one figure: as it is where all together are few enough, else an equal share; drawing smaller takes time."""
    settings = [setting for comparison in comparisons for setting in comparison.settings]
    figures = [setting.runs[0].figure(name) for setting in settings for name in FIGURES]
    sizes = [len(figure) for figure in figures if figure is not None]
    return max(sizes, default=0) if sum(sizes) <= FIGURE_BYTES else FIGURE_BYTES // len(sizes)


def _section(comparison: Comparison, most: int) -> Section:
    header, words = tables.cells(comparison)
    rows: list[list[Cell]] = []
    for row, setting in zip(words, comparison.settings, strict=True):
        rows.append(
            [
                Cell(text, value)
                for text, value in zip(row, _values(comparison, setting), strict=True)
            ]
        )
    return Section(
        comparison,
        header,
        rows,
        _forest(comparison.settings),
        charts(comparison),
        {
            title: pictures
            for name, title in FIGURES.items()
            if (pictures := _pictures(comparison, name, most))
        },
        _differences(comparison.settings),
        tables.caption(comparison),
    )


def _values(comparison: Comparison, setting: Setting) -> list[float | str]:
    d = setting.difference
    measured = [setting.summary[c][0] if c in setting.summary else "" for c in comparison.columns]
    return [
        setting.label,
        len(setting.runs),
        *measured,
        0.0 if d is None else d.mean,
        2.0 if d is None else d.p,
    ]


def _forest(settings: Sequence[Setting]) -> list[dict[str, Any] | None]:
    """Each difference with its interval, on one scale of 120 pixels; None for the best."""
    shown = [s.difference for s in settings if s.difference is not None]
    ends = [0.0, *(v for d in shown for v in (d.mean, d.low, d.high))]
    x = Scale(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1, 4, 116)
    return [
        None
        if d is None
        else {"low": x(d.low), "high": x(d.high), "mean": x(d.mean), "zero": x(0.0)}
        for d in (s.difference for s in settings)
    ]


def _pictures(comparison: Comparison, name: str, most: int) -> list[tuple[int, str, str]]:
    """The first seed of every setting that has the figure."""
    found = []
    for index, setting in enumerate(comparison.settings):
        content = setting.runs[0].figure(name)
        if content is not None:
            found.append((index, f"{setting.label}, seed {setting.runs[0].seed}", content))
    with (
        ThreadPoolExecutor() as pool
    ):  # packing a picture closer holds no lock, and is most of the time of a large page
        sources = pool.map(lambda one: picture(one[2], most), found)
        return [
            (index, label, source) for (index, label, _), source in zip(found, sources, strict=True)
        ]


def _differences(settings: Sequence[Setting]) -> tuple[list[str], list[list[str]]]:
    """Options in which the settings differ, and each setting's values."""
    every = [setting.runs[0].settings for setting in settings]
    options = differing(every)
    return options, [
        ["–" if option not in one else str(one[option]) for option in options] for one in every
    ]
