"""What log p(x) − ELBO is made of."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluation.quantities import GapBar
from evaluation.result import Evaluation
from evaluation.summary import gap_bars
from experiment import Run
from report.figures.style import ACCENT, DARK, MIDDLE, ZERO
from report.names import source_name

FAMILY: Any = {"facecolor": MIDDLE, "hatch": "//", "edgecolor": "white"}
ENCODER: Any = {"facecolor": ACCENT, "edgecolor": "white"}


def gap(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws one bar a split: the family's part, then the encoder's.

    A line marks how much a richer family would leave of the first.
    """
    every = gap_bars(evaluation)
    if not every:
        return None
    figure = Figure(figsize=(8, 1.2 + 0.7 * len(every)))
    axis = figure.subplots()
    for row, parts in enumerate(every):
        _bar(axis, row, parts)
    axis.set_yticks(range(len(every)), [_label(parts) for parts in every])
    axis.invert_yaxis()
    axis.axvline(0, color=ZERO, linewidth=0.8)
    axis.set_xlabel("nats per datum (± 2 s.e.)")
    axis.set_title("What log p(x) − ELBO is made of")
    legend: list[Patch | Line2D] = [
        Patch(**FAMILY, label="the family's part"),
        Patch(**ENCODER, label="the encoder's part"),
    ]
    if any(parts.left_by_richer is not None for parts in every):
        left = Line2D([], [], color=DARK, linewidth=2, label="left of the first by a richer family")
        legend.append(left)
    figure.legend(handles=legend, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _bar(axis: Axes, row: int, parts: GapBar) -> None:
    family, encoder = parts.family, parts.encoder
    axis.barh(row, family.mean, height=0.55, **FAMILY)
    axis.barh(row, encoder.mean, left=family.mean, height=0.55, **ENCODER)
    axis.errorbar(
        [family.mean, parts.total],
        [row, row],
        xerr=[2 * family.standard_error, 2 * encoder.standard_error],
        fmt="none",
        color=DARK,
        capsize=3,
    )
    if parts.left_by_richer is not None:
        axis.vlines(parts.left_by_richer, row - 0.38, row + 0.38, color=DARK, linewidth=2)


def _label(parts: GapBar) -> str:
    source = source_name(parts.source)
    return f"{parts.split}, {parts.family.num_examples} data\nlog p(x): {source}"
