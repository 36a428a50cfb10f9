"""All bounds of every run on one axis."""

from collections.abc import Sequence

from report.comparison.measure import measure_name
from report.comparison.quantities import KINDS, TIGHTEST_FIRST, Quantity
from report.comparison.reading import EvaluatedRun
from report.comparison.units import Unit
from report.page.chart import (
    BOTTOM,
    GLYPHS,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    Chart,
    Mark,
    polyline,
    scale,
    whisker,
)
from report.page.charts.shown import ERRORS, Shown, around, left_of, rows_of


def ladder(runs: Sequence[Shown]) -> Chart:
    """Draws all bounds of a run on one axis: the truth lies between the last ▶ and ◀, or at ◆."""
    found = {name for shown in runs for name in KINDS if name in shown.run.nats}
    rows = rows_of(runs)
    left = left_of(rows)
    every = [(one.run, name) for one in runs for name in found if name in one.run.nats]
    x = scale([end for run, name in every for end in _ends(run, name)], left, WIDTH - RIGHT)
    marks, guides = [], []
    for (y, _, series), one in zip(rows, runs, strict=True):
        run, label = one.run, one.label
        places = {name: x(bound_at(run, name)) for name in KINDS if name in run.nats}
        guides.append(polyline([(places[Quantity.ELBO], y), (max(places.values()), y)]))
        tightest = next(name for name in TIGHTEST_FIRST if name in places)
        low, high = _ends(run, tightest)
        words = f"{label}: {measure_name(tightest, [run])} ± {(high - low) / 2:.2f}"
        marks.append(Mark(series, words, path=whisker((x(low), x(high)), y), glyph="whisker"))
        for name, place in places.items():
            value = f"{bound_at(run, name):.2f}{on_fewer(run, name)}"
            words = f"{label}: {measure_name(name, [run])} {value}"
            marks.append(Mark(series, words, x=place, y=y, glyph=GLYPHS[KINDS[name]]))
    exact = ", ◆ exact" if Quantity.EXACT in found else ""
    upper = ", ◀ upper bound" if Quantity.UPPER in found else ""
    return Chart(
        name="ladder",
        title="The ladder of bounds",
        note=f"▶ lower bounds, ELBO first{exact}{upper}. {ERRORS}",
        x=x,
        xlabel=Unit.NATS,
        marks=marks,
        guides=guides,
        rows=rows,
        height=TOP + ROW * len(rows) + BOTTOM,
        left=left,
    )


def _ends(run: EvaluatedRun, name: str) -> tuple[float, float]:
    return around(bound_at(run, name), run.nats[name])


def bound_at(run: EvaluatedRun, name: str) -> float:
    """Returns where a bound stands among those of all data.

    The mean of annealing on the first few data would tell how hard these data are. It is set where
    it stands above IWAE on those few (paired).
    """
    bound, iwae = run.nats[name], run.nats.get(Quantity.IWAE)
    if on_fewer(run, name) and iwae is not None and bound.above_iwae is not None:
        return iwae.mean + bound.above_iwae
    return bound.mean


def on_fewer(run: EvaluatedRun, name: str) -> str:
    """Says how many data a number was measured on, if not on all."""
    count = run.nats[name].num_examples
    return "" if count in (None, run.data.num_examples) else f", from the first {count} data"
