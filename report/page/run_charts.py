"""The charts of one run."""

from collections.abc import Mapping, Sequence

from evaluation.quantities import Curve, Ladder, Rung, Term, curve
from report.names import SIDES, TERMS, bound_name
from report.page.chart import (
    BOTTOM,
    GLYPHS,
    HEIGHT,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    Chart,
    Mark,
    epochs,
    polyline,
    scale,
)

TERMS_SHOWN: tuple[Term, ...] = ("elbo", "reconstruction", "kl")
SPLITS = ("train", "valid")
MOST_POINTS = 200
# Pixels for the names of bounds.
LABELS = 100


def ladder_chart(ladder: Ladder) -> Chart:
    """Returns every bound as its distance from the tightest one."""
    ends = [rung.distance.mean + sign * rung.error for rung in ladder.rungs for sign in (-1, 1)]
    x = scale(ends, LABELS, WIDTH - RIGHT)
    bottom = TOP + ROW * len(ladder.rungs)
    marks, rows, guides = [], [], [polyline([(x(0.0), TOP), (x(0.0), bottom)])]
    for row, rung in enumerate(ladder.rungs):
        y = TOP + ROW * (row + 0.5)
        distance = rung.distance.mean
        rows.append((y, _name(rung), 0))
        guides.append(polyline([(x(distance - rung.error), y), (x(distance + rung.error), y)]))
        label = f"{_name(rung)}: {distance:+.3f} ± {rung.error:.3f}"
        marks.append(Mark(0, label, x=x(distance), y=y, glyph=GLYPHS[rung.kind]))
    sides = [f"{GLYPHS[kind]} {words}" for kind, words in SIDES.items() if kind in ladder.kinds]
    return Chart(
        name="ladder",
        title="The ladder of bounds",
        note=f"{', '.join(sides)}; paired, ± 2 s.e.{_fewer(ladder)}",
        x=x,
        xlabel=f"nats per datum from {_name(ladder.reference)}",
        marks=marks,
        guides=guides,
        rows=rows,
        height=bottom + BOTTOM,
        left=LABELS,
    )


def _fewer(ladder: Ladder) -> str:
    """Says which bounds were compared on fewer data than there are."""
    total = ladder.reference.distance.num_examples
    fewer = [
        f"{_name(rung)} on the first {rung.distance.num_examples:,} data"
        for rung in ladder.rungs
        if rung.distance.num_examples < total
    ]
    return "".join(f"; {words}" for words in fewer)


def _name(rung: Rung) -> str:
    return bound_name(rung.name, rung.effort)


def learning_charts(metrics: Sequence[Mapping[str, object]], kept: int) -> list[Chart]:
    """Returns one chart for every term with several points; a line marks the epoch `kept`."""
    charts = []
    for term in TERMS_SHOWN:
        lines = [curve(metrics, term, split) for split in SPLITS]
        lines = [line for line in lines if len(line.points) > 1]
        if lines:
            charts.append(_learning_chart(term, lines, kept))
    return charts


def _learning_chart(term: Term, lines: list[Curve], kept: int) -> Chart:
    """Returns the chart of one term; early values may lie outside its frame, which cuts them."""
    x = epochs([epoch for line in lines for epoch in line.epochs])
    floor = HEIGHT - BOTTOM
    y = scale([value for line in lines for value in line.settled], floor, TOP)
    marks = []
    for line in lines:
        points = [(x(epoch), y(value)) for epoch, value in line.thinned(MOST_POINTS)]
        marks.append(Mark(SPLITS.index(line.split), line.split, path=polyline(points)))
    return Chart(
        name=term,
        title=TERMS[term][0].upper() + TERMS[term][1:],
        note="",
        x=x,
        xlabel="epoch",
        y=y,
        ylabel="nats per datum",
        marks=marks,
        guides=[polyline([(x(kept), TOP), (x(kept), floor)])],
    )
