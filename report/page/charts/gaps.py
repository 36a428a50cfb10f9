"""How far the ELBO is below log p(x)."""

from collections.abc import Sequence
from itertools import accumulate

from report.comparison.quantities import Quantity
from report.comparison.reading import EvaluatedRun, Measurement
from report.comparison.units import Unit
from report.names import GAP_PARTS
from report.page.chart import BOTTOM, RIGHT, ROW, TOP, WIDTH, Chart, Mark, polyline, scale, whisker
from report.page.charts.ladder import on_fewer
from report.page.charts.shown import ERRORS, Shown, around, left_of, rows_of

# What the gap is made of: each part in words, and what was measured.
Parts = list[tuple[str, Measurement]]


def gaps(runs: Sequence[Shown]) -> Chart | None:
    """Draws how far the ELBO stays below log p(x), where that is known, and of what it is made."""
    known = [(shown, parts) for shown in runs if (parts := gap_parts(shown.run))]
    if not known:
        return None
    rows = rows_of([shown for shown, _ in known])
    left = left_of(rows)
    every = [around(end, part) for _, parts in known for end, part in _ends(parts)]
    x = scale([0.0, *(end for both in every for end in both)], left, WIDTH - RIGHT, 0.03)
    marks = []
    for (height, _, _), (shown, parts) in zip(rows, known, strict=True):
        start, top, bottom = 0.0, height - 5, height + 5
        for (end, part), (word, _) in zip(_ends(parts), parts, strict=True):
            corners = [(x(start), top), (x(end), top), (x(end), bottom), (x(start), bottom)]
            label = f"{shown.label}: {word} {part.mean:.3f}"
            marks.append(Mark(shown.series, label, path=polyline(corners) + "Z", glyph="bar"))
            error = whisker([x(place) for place in around(end, part)], height)
            marks.append(Mark(shown.series, label, path=error, glyph="whisker"))
            start = end
    return Chart(
        name="gaps",
        title="The gap",
        note=f"log p(x) − ELBO = KL(q(z|x)‖p(z|x)), or its measured parts. {ERRORS}",
        x=x,
        xlabel=Unit.NATS,
        marks=marks,
        rows=rows,
        height=TOP + ROW * len(known) + BOTTOM,
        left=left,
    )


def _ends(parts: Parts) -> list[tuple[float, Measurement]]:
    """Returns where each part ends on top of those before it."""
    ends = accumulate(part.mean for _, part in parts)
    return [(end, part) for end, (_, part) in zip(ends, parts, strict=True)]


def gap_parts(run: EvaluatedRun) -> Parts:
    """Returns what the gap is made of, in words: its parts, or the whole, or nothing."""
    if set(GAP_PARTS) <= set(run.nats):
        return [(words + on_fewer(run, name), run.nats[name]) for name, words in GAP_PARTS.items()]
    if Quantity.EXACT in run.nats:
        gap = run.nats[Quantity.EXACT].mean - run.nats[Quantity.ELBO].mean
        known = run.nats.get(Quantity.GAP)
        return [("gap", Measurement(gap, None if known is None else known.se))]
    return []
