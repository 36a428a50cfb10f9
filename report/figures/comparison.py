"""The charts of a comparison, as files for a paper: the same marks at the same places as the page.

They have no titles, because a paper's caption says what a figure shows.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.options import Format
from experiment.files import make_folder
from report.comparison.comparing import Comparison
from report.figures import style, write
from report.figures.style import plain
from report.page.chart import BOTTOM, GLYPHS, RIGHT, TOP, Chart, Mark, lines_of
from report.page.charts import charts
from report.page.template import HERE

# The colours of settings on the light page.
COLOURS = re.findall(r"--s\d: (#\w+);", (HERE / "style.css").read_text())[:8]
# Pixels of a chart to an inch of paper.
PIXELS = 80
MARKERS = {GLYPHS["lower"]: ">", GLYPHS["exact"]: "D", GLYPHS["upper"]: "<", "●": "o"}


def draw_comparison(
    comparisons: Sequence[Comparison], page: Path, formats: Sequence[Format]
) -> tuple[Path, list[str]]:
    """Writes every chart beside the page, as PNG and in `formats`.

    Returns:
        Their folder, PAGE-figures, and the files' names; those of a second table begin with "2-".
    """
    folder = make_folder(page.with_name(f"{page.stem}-figures"))
    files = []
    for number, comparison in enumerate(comparisons, start=1):
        for chart in charts(comparison):
            name = chart.name if number == 1 else f"{number}-{chart.name}"
            with style():
                files += write(drawn(chart), folder, name, formats)
    return folder, files


def drawn(chart: Chart) -> Figure:
    """Returns a chart as a figure, whose axes are the chart's pixels."""
    figure = Figure(figsize=(chart.width / PIXELS, chart.height / PIXELS))
    axis = figure.subplots()
    axis.set_xlim(chart.left, chart.width - RIGHT)
    axis.set_ylim(chart.height - BOTTOM, TOP)
    axis.set_xticks(*zip(*chart.x.ticks, strict=True))
    axis.set_xlabel(plain(chart.xlabel))
    if chart.y is not None:
        axis.set_yticks(*zip(*chart.y.ticks, strict=True))
        axis.set_ylabel(chart.ylabel)
    if chart.rows:
        axis.set_yticks([y for y, _, _ in chart.rows], [plain(label) for _, label, _ in chart.rows])
        axis.tick_params(axis="y", length=0)
        for words, (_, _, series) in zip(axis.get_yticklabels(), chart.rows, strict=True):
            words.set_color(_colour(series))
    for path in chart.guides:
        for line in lines_of(path):
            axis.plot(*zip(*line, strict=True), color="#888888", linewidth=0.7, zorder=1)
    for mark in chart.marks:
        _draw(axis, mark)
    for label, series in chart.legend:
        axis.plot([], [], color=_colour(series), label=plain(label))
    if chart.legend:
        axis.legend(fontsize="small")
    return figure


def _draw(axis: Axes, mark: Mark) -> None:
    colour = _colour(mark.series)
    if mark.glyph in MARKERS:
        marker = MARKERS[mark.glyph]
        axis.plot(mark.x, mark.y, marker, color=colour, markersize=5, clip_on=False, zorder=3)
    elif mark.glyph == "bar":
        for line in lines_of(mark.path):
            axis.fill(*zip(*line, strict=True), color=colour, alpha=0.55, linewidth=0)
    else:
        for line in lines_of(mark.path):
            width = 1.0 if mark.glyph == "whisker" else 1.3
            axis.plot(*zip(*line, strict=True), color=colour, linewidth=width)


def _colour(series: int) -> str:
    return COLOURS[series % len(COLOURS)]
