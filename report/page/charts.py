"""The charts of a comparison."""

import math

import numpy as np

from report.comparison.comparing import Comparison, measure_name
from report.comparison.reading import EvaluatedRun
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
    polyline,
    scale,
)

MOST_POINTS = 200
BOUNDS = {"elbo": "lower", "iwae": "lower", "ais": "lower", "exact": "exact", "upper": "upper"}


def charts(comparison: Comparison) -> list[Chart]:
    """Those that the runs have the numbers for."""
    if not comparison.unit.startswith("nats"):
        return []
    made = [
        learning_curves(comparison),
        ladder(comparison),
        rate_distortion(comparison),
        gaps(comparison),
    ]
    return [chart for chart in made if chart is not None]


def each_run(comparison: Comparison) -> list[tuple[int, str, EvaluatedRun]]:
    """(number of the setting, what the run is called, the run)."""
    return [
        (index, f"{setting.label}, seed {run.seed}", run)
        for index, setting in enumerate(comparison.settings)
        for run in setting.runs
    ]


def learning_curves(comparison: Comparison) -> Chart | None:
    """Validation ELBO by epoch, one line a run. The first twentieth of each would flatten the rest: it may leave the top."""
    curves = [(index, label, valid_elbo(run)) for index, label, run in each_run(comparison)]
    curves = [curve for curve in curves if len(curve[2]) > 1]
    if not curves:
        return None
    x = scale([epoch for _, _, curve in curves for epoch, _ in curve], LEFT, WIDTH - RIGHT, 0.0)
    settled = [value for _, _, curve in curves for _, value in curve[len(curve) // 20 :]]
    y = scale(settled, HEIGHT - BOTTOM, TOP)
    marks = []
    for index, label, curve in curves:
        thinned = [*curve[:: max(1, len(curve) // MOST_POINTS)], curve[-1]]
        marks.append(
            Mark(index, label, path=polyline([(x(e), y(max(v, y.low))) for e, v in thinned]))
        )
    return Chart(
        "learning",
        "Learning curves",
        "Validation ELBO, one line a run.",
        x,
        "epoch",
        y,
        "nats per datum",
        marks,
    )


def valid_elbo(run: EvaluatedRun) -> list[tuple[float, float]]:
    """(epoch, ELBO), numbers only, whatever the file holds."""
    lines = [(r.get("epoch"), r.get("elbo")) for r in run.metrics if r.get("split") == "valid"]
    return [
        (e, v)
        for e, v in lines
        if isinstance(e, int) and isinstance(v, int | float) and math.isfinite(v)
    ]


def ladder(comparison: Comparison) -> Chart:
    """Every bound of every run on one axis: the truth lies between the last ▶ and ◀, or at ◆."""
    runs = each_run(comparison)
    height = TOP + BOTTOM + ROW * len(runs)
    found = {n for _, _, run in runs for n in run.nats if n in BOUNDS}
    x = scale(
        [bound_at(run, n) for _, _, run in runs for n in found if n in run.nats],
        LEFT,
        WIDTH - RIGHT,
    )
    marks, rows, guides = [], [], []
    for row, (index, label, run) in enumerate(runs):
        y = TOP + ROW * (row + 0.5)
        rows.append((y, f"{index + 1} · s{run.seed}", index))
        places = [(x(bound_at(run, name)), name) for name in BOUNDS if name in run.nats]
        guides.append(polyline([(places[0][0], y), (max(p for p, _ in places), y)]))
        for place, name in places:
            value = f"{label}: {measure_name(name, [run])} {bound_at(run, name):.2f}{on_fewer(run, name)}"
            marks.append(Mark(index, value, x=place, y=y, glyph=GLYPHS[BOUNDS[name]]))
    note = (
        "▶ lower bounds, ELBO first"
        + ", ◆ exact" * ("exact" in found)
        + ", ◀ upper bound" * ("upper" in found)
        + "."
    )
    return Chart(
        "ladder",
        "The ladder of bounds",
        note,
        x,
        "nats per datum",
        None,
        "",
        marks,
        guides,
        rows,
        height,
    )


def bound_at(run: EvaluatedRun, name: str) -> float:
    """The bound's mean over all data. Annealing of the first few is set where it stands above IWAE on those few (paired):
    their own mean would tell how hard these data are."""
    mean = float(run.nats[name]["mean"])
    if on_fewer(run, name) and "iwae" in run.nats:
        above = run.nats[name].get("above_iwae")
        above = above.get("mean") if isinstance(above, dict) else None
        return float(run.nats["iwae"]["mean"]) + above if isinstance(above, int | float) else mean
    return mean


def on_fewer(run: EvaluatedRun, name: str) -> str:
    """How many data it was measured on, if not on all, in words."""
    count = run.nats[name].get("num_examples")
    return (
        f", from the first {count} data"
        if isinstance(count, int) and count != run.data["num_examples"]
        else ""
    )


def rate_distortion(comparison: Comparison) -> Chart | None:
    """Rate against distortion; along a diagonal the ELBO is the same, and lower left is better (Alemi et al. 2018)."""
    runs = [
        (i, label, run)
        for i, label, run in each_run(comparison)
        if {"kl", "reconstruction"} <= set(run.nats)
    ]
    if not runs:
        return None
    points = [
        (i, label, run.nats["kl"]["mean"], -run.nats["reconstruction"]["mean"])
        for i, label, run in runs
    ]
    x = scale([p[2] for p in points], LEFT, WIDTH - RIGHT, 0.15)
    y = scale([p[3] for p in points], HEIGHT - BOTTOM, TOP, 0.15)
    marks = [
        Mark(
            i,
            f"{label}: rate {rate:.2f}, distortion {d:.2f}, ELBO {-rate - d:.2f}",
            x=x(rate),
            y=y(d),
            glyph="●",
        )
        for i, label, rate, d in points
    ]
    guides = []
    low, high = x.low + y.low, x.high + y.high
    for total in np.linspace(low, high, 7)[1:-1]:  # rate + distortion = −ELBO
        left, right = max(x.low, total - y.high), min(x.high, total - y.low)
        guides.append(polyline([(x(left), y(total - left)), (x(right), y(total - right))]))
    note = "Along a dashed line the ELBO is the same; towards the lower left it is higher."
    return Chart(
        "rate-distortion",
        "Rate and distortion",
        note,
        x,
        "rate  KL(q‖p), nats",
        y,
        "distortion  −E log p(x|z)",
        marks,
        guides,
    )


GAP_PARTS = {"approximation_gap": "the family's part", "amortization_gap": "the encoder's part"}


def gaps(comparison: Comparison) -> Chart | None:
    """How far the ELBO stays below log p(x), where that is known, and in its parts where they were measured."""
    runs = [
        (i, label, run, parts)
        for i, label, run in each_run(comparison)
        if (parts := gap_parts(run))
    ]
    if not runs:
        return None
    height = TOP + BOTTOM + ROW * len(runs)
    x = scale(
        [0.0, *(sum(value for _, value in parts) for _, _, _, parts in runs)],
        LEFT,
        WIDTH - RIGHT,
        0.03,
    )
    marks, rows = [], []
    for row, (index, label, run, parts) in enumerate(runs):
        y = TOP + ROW * (row + 0.5)
        rows.append((y, f"{index + 1} · s{run.seed}", index))
        start = 0.0
        for word, value in parts:
            box = [
                (x(start), y - 5),
                (x(start + value), y - 5),
                (x(start + value), y + 5),
                (x(start), y + 5),
            ]
            marks.append(
                Mark(index, f"{label}: {word} {value:.3f}", path=polyline(box) + "Z", glyph="bar")
            )
            start += value
    note = "log p(x) − ELBO = KL(q(z|x)‖p(z|x)), in its parts where they were measured."
    return Chart("gaps", "The gap", note, x, "nats per datum", None, "", marks, [], rows, height)


def gap_parts(run: EvaluatedRun) -> list[tuple[str, float]]:
    """What the gap is made of, in words and nats: its parts, else the whole, else nothing."""
    if set(GAP_PARTS) <= set(run.nats):
        return [
            (word + on_fewer(run, name), float(run.nats[name]["mean"]))
            for name, word in GAP_PARTS.items()
        ]
    if {"exact", "elbo"} <= set(run.nats):
        return [("gap", run.nats["exact"]["mean"] - run.nats["elbo"]["mean"])]
    return []
