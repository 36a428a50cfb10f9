"""The charts of a comparison."""

from collections.abc import Sequence
from typing import NamedTuple

from evaluation.quantities import Curve, equal_elbos
from report.comparison.comparing import Comparison
from report.comparison.measure import measure_name
from report.comparison.quantities import KINDS, Quantity
from report.comparison.reading import EvaluatedRun
from report.comparison.units import Unit
from report.names import GAP_PARTS
from report.page.chart import (
    BOTTOM,
    GLYPHS,
    HEIGHT,
    LEFT,
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

MOST_POINTS = 200


class Shown(NamedTuple):
    """A run in a chart: the number of its setting, from 0, and what the run is called."""

    series: int
    label: str
    run: EvaluatedRun


def charts(comparison: Comparison) -> list[Chart]:
    """Draws the charts that the runs have numbers for."""
    if comparison.unit is not Unit.NATS:
        return []
    runs = [
        Shown(series, f"{setting.label}, seed {run.seed}", run)
        for series, setting in enumerate(comparison.settings)
        for run in setting.runs
    ]
    made = [learning_curves(runs), ladder(runs), rate_distortion(runs), gaps(runs)]
    return [chart for chart in made if chart is not None]


def learning_curves(runs: Sequence[Shown]) -> Chart | None:
    """Draws the validation ELBO by epoch, one line for each run.

    The scale leaves out the first twentieth of each line, which would flatten the rest.
    """
    lines = [(shown, valid_elbo(shown.run)) for shown in runs]
    lines = [(shown, line) for shown, line in lines if len(line.points) > 1]
    if not lines:
        return None
    x = epochs([epoch for _, line in lines for epoch in line.epochs])
    y = scale([value for _, line in lines for value in line.settled], HEIGHT - BOTTOM, TOP)
    marks = []
    for shown, line in lines:
        points = [(x(epoch), y(value)) for epoch, value in line.thinned(MOST_POINTS)]
        marks.append(Mark(shown.series, shown.label, path=polyline(points)))
    return Chart(
        name="learning",
        title="Learning curves",
        note="Validation ELBO, one line a run.",
        x=x,
        xlabel="epoch",
        y=y,
        ylabel=Unit.NATS,
        marks=marks,
    )


def valid_elbo(run: EvaluatedRun) -> Curve:
    """Returns the ELBO on the validation split by epoch."""
    points = (
        (epoch.number, epoch.values["elbo"])
        for epoch in run.epochs
        if epoch.split == "valid" and "elbo" in epoch.values
    )
    return Curve("elbo", "valid", tuple(points))


def ladder(runs: Sequence[Shown]) -> Chart:
    """Draws all bounds of a run on one axis: the truth lies between the last ▶ and ◀, or at ◆."""
    found = {name for shown in runs for name in KINDS if name in shown.run.nats}
    values = [bound_at(one.run, name) for one in runs for name in found if name in one.run.nats]
    x = scale(values, LEFT, WIDTH - RIGHT)
    marks, guides = [], []
    for row, (series, label, run) in enumerate(runs):
        y = _height(row)
        places = {name: x(bound_at(run, name)) for name in KINDS if name in run.nats}
        guides.append(polyline([(places[Quantity.ELBO], y), (max(places.values()), y)]))
        for name, place in places.items():
            value = f"{bound_at(run, name):.2f}{on_fewer(run, name)}"
            words = f"{label}: {measure_name(name, [run])} {value}"
            marks.append(Mark(series, words, x=place, y=y, glyph=GLYPHS[KINDS[name]]))
    exact = ", ◆ exact" if Quantity.EXACT in found else ""
    upper = ", ◀ upper bound" if Quantity.UPPER in found else ""
    return Chart(
        name="ladder",
        title="The ladder of bounds",
        note=f"▶ lower bounds, ELBO first{exact}{upper}.",
        x=x,
        xlabel=Unit.NATS,
        marks=marks,
        guides=guides,
        rows=_rows(runs),
        height=TOP + ROW * len(runs) + BOTTOM,
    )


def _height(row: int) -> float:
    """Returns the height of the middle of a row."""
    return TOP + ROW * (row + 0.5)


def _rows(runs: Sequence[Shown]) -> list[tuple[float, str, int]]:
    return [
        (_height(row), f"{shown.series + 1} · s{shown.run.seed}", shown.series)
        for row, shown in enumerate(runs)
    ]


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


def rate_distortion(runs: Sequence[Shown]) -> Chart | None:
    """Draws rate against distortion: along a diagonal the ELBO is the same (Alemi et al. 2018)."""
    points = [
        (shown, shown.run.nats[Quantity.RATE].mean, -shown.run.nats[Quantity.RECONSTRUCTION].mean)
        for shown in runs
        if {Quantity.RATE, Quantity.RECONSTRUCTION} <= set(shown.run.nats)
    ]
    if not points:
        return None
    x = scale([rate for _, rate, _ in points], LEFT, WIDTH - RIGHT, 0.15)
    y = scale([distortion for _, _, distortion in points], HEIGHT - BOTTOM, TOP, 0.15)
    marks = []
    for shown, rate, distortion in points:
        sizes = f"rate {rate:.2f}, distortion {distortion:.2f}, ELBO {-rate - distortion:.2f}"
        label = f"{shown.label}: {sizes}"
        marks.append(Mark(shown.series, label, x=x(rate), y=y(distortion), glyph="●"))
    lines = equal_elbos((x.low, x.high), (y.low, y.high))
    ends = [(line.start, line.end) for line in lines]
    guides = [polyline([(x(rate), y(d)) for rate, d in both]) for both in ends]
    return Chart(
        name="rate-distortion",
        title="Rate and distortion",
        note="Along a dashed line the ELBO is the same; towards the lower left it is higher.",
        x=x,
        xlabel="rate  KL(q‖p), nats",
        y=y,
        ylabel="distortion  −E log p(x|z)",
        marks=marks,
        guides=guides,
    )


def gaps(runs: Sequence[Shown]) -> Chart | None:
    """Draws how far the ELBO stays below log p(x), where that is known, and of what it is made."""
    known = [(shown, parts) for shown in runs if (parts := gap_parts(shown.run))]
    if not known:
        return None
    ends = [0.0, *(sum(value for _, value in parts) for _, parts in known)]
    x = scale(ends, LEFT, WIDTH - RIGHT, 0.03)
    marks = []
    for row, (shown, parts) in enumerate(known):
        start, top, bottom = 0.0, _height(row) - 5, _height(row) + 5
        for word, value in parts:
            left, right = x(start), x(start + value)
            box = polyline([(left, top), (right, top), (right, bottom), (left, bottom)]) + "Z"
            label = f"{shown.label}: {word} {value:.3f}"
            marks.append(Mark(shown.series, label, path=box, glyph="bar"))
            start += value
    return Chart(
        name="gaps",
        title="The gap",
        note="log p(x) − ELBO = KL(q(z|x)‖p(z|x)), in its parts where they were measured.",
        x=x,
        xlabel=Unit.NATS,
        marks=marks,
        rows=_rows([shown for shown, _ in known]),
        height=TOP + ROW * len(known) + BOTTOM,
    )


def gap_parts(run: EvaluatedRun) -> list[tuple[str, float]]:
    """Returns what the gap is made of, in words and nats: its parts, or the whole, or nothing."""
    if set(GAP_PARTS) <= set(run.nats):
        return [
            (words + on_fewer(run, name), run.nats[name].mean) for name, words in GAP_PARTS.items()
        ]
    if Quantity.EXACT in run.nats:
        return [("gap", run.nats[Quantity.EXACT].mean - run.nats[Quantity.ELBO].mean)]
    return []
