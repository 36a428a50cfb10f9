"""Bounds on log p(x), drawn by their distances from one of them."""

from matplotlib.axes import Axes

from evaluation.quantities import Ladder
from report.figures.style import ACCENT, DARK, MARKS
from report.names import bound_name


def draw_rungs(axis: Axes, ladder: Ladder, room_above: float = 0.5) -> None:
    """Draws one row a bound, with its side as a mark and two standard errors around it."""
    for row, rung in enumerate(ladder.rungs):
        axis.errorbar(
            rung.distance.mean,
            row,
            xerr=2 * rung.distance.standard_error,
            fmt=MARKS[rung.kind],
            color=ACCENT if rung.kind == "exact" else DARK,
            markersize=8,
            capsize=3,
        )
    names = [bound_name(rung.name, rung.effort) for rung in ladder.rungs]
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -room_above)
    axis.margins(x=0.15)
