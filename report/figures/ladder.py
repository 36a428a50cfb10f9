"""Bounds on log p(x), drawn by their distances from one of them."""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluation.quantities import Ladder
from report.figures.style import ACCENT, DARK, MARKS
from report.names import SIDES, bound_name


def draw_rungs(axis: Axes, ladder: Ladder, room_above: float = 0.5) -> None:
    """Draws one row a bound, with its side as a mark and two standard errors around it."""
    for row, rung in enumerate(ladder.rungs):
        axis.errorbar(
            rung.distance.mean,
            row,
            xerr=2 * rung.distance.standard_error,
            fmt=MARKS[rung.kind],
            color=_colour(rung.kind),
            markersize=8,
            capsize=3,
        )
    names = [bound_name(rung.name, rung.effort) for rung in ladder.rungs]
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -room_above)
    axis.margins(x=0.15)


def explain_marks(figure: Figure, kinds: Iterable[str]) -> None:
    """Says below the panels which mark is which side of log p(x)."""
    marks = [
        Line2D([], [], linestyle="", marker=MARKS[kind], color=_colour(kind), label=words)
        for kind, words in SIDES.items()
        if kind in kinds
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), fontsize=9)


def _colour(kind: str) -> str:
    return ACCENT if kind == "exact" else DARK
