"""The comparison as a page."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from errors import RequestError
from experiment.files import write_whole
from report.comparison.cells import Table, caption, pairs_caption, pairs_table, table
from report.comparison.comparing import Comparison
from report.comparison.labels import CHOICE, differing
from report.comparison.statistics import Difference
from report.comparison.verdict import Verdict, verdict
from report.page.chart import Chart, Scale
from report.page.charts import charts
from report.page.pictures import picture
from report.page.template import render

FIGURES = {
    "reconstructions": "Reconstructions",
    "samples": "Samples",
    "latent_space": "Latent spaces",
}
# Bytes of all figures of a page together; base64 makes a third more of them.
FIGURE_BYTES = 15_000_000


class Interval(NamedTuple):
    """A difference as places on a line of 120 pixels."""

    low: float
    mean: float
    high: float
    zero: float


class Grid(NamedTuple):
    """A table of the page; `keys` are the numbers of the settings of every row."""

    table: Table
    keys: Sequence[tuple[int, ...]]
    intervals: list[Interval | None]
    caption: str


class Picture(NamedTuple):
    """A figure of the setting of that number, as a data: address."""

    series: int
    label: str
    source: str


class Row(NamedTuple):
    """A run in the list of all runs."""

    series: int
    seed: int | None
    mean: float | str
    se: float | str
    path: Path


@dataclass(frozen=True)
class Section:
    """A table of the page with what belongs to it."""

    comparison: Comparison
    verdict: Verdict
    settings: Grid
    pairs: Grid | None
    charts: list[Chart]
    figures: dict[str, list[Picture]]
    options: list[str]
    values: list[list[str]]
    runs: list[Row]


def write_page(comparisons: Sequence[Comparison], path: Path) -> None:
    """Writes one self-contained HTML file to `path`."""
    most = _figure_bytes(comparisons)
    sections = [_section(comparison, most) for comparison in comparisons]
    page = render("comparison.html.j2", sections=sections, title="Comparison of runs")
    try:
        write_whole(path, page.encode(errors="backslashreplace"))
    except OSError as error:
        raise RequestError(f"--out {path}: cannot be written ({error.strerror})") from error


def _figure_bytes(comparisons: Sequence[Comparison]) -> int:
    """Returns the most bytes that one figure may have.

    Drawing a figure smaller takes time: if all together have few enough bytes, all stay as they
    are, and otherwise each gets an equal share.
    """
    settings = [setting for comparison in comparisons for setting in comparison.settings]
    figures = [setting.runs[0].figure(name) for setting in settings for name in FIGURES]
    sizes = [len(figure) for figure in figures if figure is not None]
    return max(sizes, default=0) if sum(sizes) <= FIGURE_BYTES else FIGURE_BYTES // len(sizes)


def _section(comparison: Comparison, most: int) -> Section:
    every = [setting.runs[0].settings for setting in comparison.settings]
    options = differing(every)
    pictures = {title: _pictures(comparison, name, most) for name, title in FIGURES.items()}
    return Section(
        comparison,
        verdict(comparison),
        _settings(comparison),
        _pairs(comparison),
        charts=charts(comparison),
        figures={title: found for title, found in pictures.items() if found},
        options=[option.removeprefix(CHOICE) for option in options],
        values=[[str(one.get(option, "–")) for option in options] for one in every],
        runs=_runs(comparison),
    )


def _settings(comparison: Comparison) -> Grid:
    differences = [setting.difference for setting in comparison.settings]
    keys = [(index,) for index in range(len(differences))]
    return Grid(table(comparison), keys, _intervals(differences), caption(comparison))


def _pairs(comparison: Comparison) -> Grid | None:
    """Returns the pairs, where there are more of them than rows in the table of settings show."""
    tests = comparison.family.differences
    if not tests:
        return None
    intervals = _intervals(list(tests.values()))
    return Grid(pairs_table(comparison), list(tests), intervals, pairs_caption(comparison))


def _intervals(differences: Sequence[Difference | None]) -> list[Interval | None]:
    """Returns each difference with its interval, on one scale.

    Returns None for the baseline, and where a single datum leaves no interval.
    """
    shown = [None if d is None or math.isinf(d.test.error) else d for d in differences]
    ends = [0.0, *(v for d in shown if d is not None for v in (d.mean, d.low, d.high))]
    x = Scale(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1, 4, 116)
    return [None if d is None else Interval(x(d.low), x(d.mean), x(d.high), x(0.0)) for d in shown]


def _pictures(comparison: Comparison, name: str, most: int) -> list[Picture]:
    """Returns the figure `name` of the first seed of every setting that has it."""
    firsts = [setting.runs[0] for setting in comparison.settings]
    found = [(i, content) for i, run in enumerate(firsts) if (content := run.figure(name))]
    # Packing a picture closer holds no lock, and is most of the time of a large page.
    with ThreadPoolExecutor() as pool:
        sources = pool.map(lambda one: picture(one[1], most), found)
        return [
            Picture(i, f"{comparison.settings[i].label}, seed {firsts[i].seed}", source)
            for (i, _), source in zip(found, sources, strict=True)
        ]


def _runs(comparison: Comparison) -> list[Row]:
    """Returns every run with the measure of the table, in nats."""
    rows = []
    for series, setting in enumerate(comparison.settings):
        for run in setting.runs:
            measured = run.nats[comparison.measure]
            error = "–" if measured.se is None else measured.se
            rows.append(Row(series, run.seed, measured.mean, error, run.path))
    return rows
