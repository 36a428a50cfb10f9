"""The charts of one run."""

import math

from evaluation.result import Evaluation
from evidence.estimate import standard_error
from experiment import Run
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
from report.page.naming import bound_name

CURVES = {
    "elbo": "ELBO",
    "reconstruction": "Reconstruction E_q[log p(x|z)]",
    "kl": "Rate KL(q(z|x)‖p(z))",
}
SPLITS = ("train", "valid")
LABELS = 100
"""Pixels for the names of bounds."""


def ladder(evaluation: Evaluation) -> Chart:
    """Every bound as its distance from the tightest, paired per datum on the data that both have."""
    tightest = evaluation.bounds.tightest
    shown = []
    for name, bound in evaluation.bounds.items():
        count = min(bound.num_examples, tightest.num_examples)
        if name != "truth":
            distance = bound.per_datum[:count] - tightest.per_datum[:count]
            error = 0.0 if count < 2 else 2 * standard_error(distance)
            shown.append((bound_name(name, bound), bound, float(distance.mean()), error))
    x = scale(
        [v + sign * error for _, _, v, error in shown for sign in (-1, 1)], LABELS, WIDTH - RIGHT
    )
    marks, rows, guides = [], [], [polyline([(x(0.0), TOP), (x(0.0), TOP + ROW * len(shown))])]
    for row, (name, bound, value, error) in enumerate(shown):
        y = TOP + ROW * (row + 0.5)
        rows.append((y, name, 0))
        guides.append(polyline([(x(value - error), y), (x(value + error), y)]))
        marks.append(
            Mark(
                0, f"{name}: {value:+.3f} ± {error:.3f}", x=x(value), y=y, glyph=GLYPHS[bound.kind]
            )
        )
    kinds = {bound.kind for _, bound, _, _ in shown}
    note = (
        "▶ lower bound"
        + ", ◆ exact" * ("exact" in kinds)
        + ", ◀ upper bound" * ("upper" in kinds)
        + "; paired, ± 2 s.e."
    )
    label = f"nats per datum from {bound_name(evaluation.tightest, tightest)}"
    height = TOP + BOTTOM + ROW * len(shown)
    return Chart(
        "ladder",
        "The ladder of bounds",
        note,
        x,
        label,
        None,
        "",
        marks,
        guides,
        rows,
        height,
        left=LABELS,
    )


def learning_curves(run: Run) -> list[Chart]:
    """One chart a term, by epoch; its scale leaves out the first twentieth, which would flatten the rest."""
    charts = []
    for key, title in CURVES.items():
        lines = {split: _line(run, split, key) for split in SPLITS}
        lines = {split: line for split, line in lines.items() if len(line) > 1}
        if not lines:
            continue
        x = scale([epoch for line in lines.values() for epoch, _ in line], LEFT, WIDTH - RIGHT, 0.0)
        y = scale(
            [value for line in lines.values() for _, value in line[len(line) // 20 :]],
            HEIGHT - BOTTOM,
            TOP,
        )
        marks = [
            Mark(
                SPLITS.index(split),
                split,
                path=polyline([(x(e), min(max(y(v), TOP), HEIGHT - BOTTOM)) for e, v in line]),
            )
            for split, line in lines.items()
        ]
        kept = [polyline([(x(run.epoch), TOP), (x(run.epoch), HEIGHT - BOTTOM)])]
        charts.append(
            Chart(
                key,
                title,
                f"Kept: epoch {run.epoch}.",
                x,
                "epoch",
                y,
                "nats per datum",
                marks,
                kept,
            )
        )
    return charts


def _line(run: Run, split: str, key: str) -> list[tuple[float, float]]:
    """(epoch, value), numbers only, whatever the file holds; at most some hundred."""
    pairs = [(r.get("epoch"), r.get(key)) for r in run.metrics if r.get("split") == split]
    line = [
        (float(e), float(v))
        for e, v in pairs
        if isinstance(e, int) and isinstance(v, int | float) and math.isfinite(v)
    ]
    return [*line[:: max(1, len(line) // 200)], *line[-1:]]
