"""How far each setting is from the best, or from a reference."""

import math

from report.comparison.comparing import Comparison
from report.comparison.units import Unit
from report.page.chart import BOTTOM, RIGHT, ROW, TOP, WIDTH, Chart, Mark, polyline, scale, whisker
from report.page.charts.shown import cut, left_of, middle, short


def differences(comparison: Comparison) -> Chart | None:
    """Draws each setting's difference to the baseline, with its simultaneous interval."""
    shown = [
        (series, setting.difference)
        for series, setting in enumerate(comparison.settings)
        if setting.difference is not None and math.isfinite(setting.difference.test.error)
    ]
    if not shown:
        return None
    rows = [
        (middle(row), short(comparison.name(series), series), series)
        for row, (series, _) in enumerate(shown)
    ]
    left, bottom = left_of(rows), TOP + ROW * len(rows)
    x = scale([0.0, *(v for _, d in shown for v in (d.low, d.high))], left, WIDTH - RIGHT)
    marks = []
    for (y, _, series), (_, d) in zip(rows, shown, strict=True):
        words = f"{comparison.name(series)}: {d.mean:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"
        error = whisker([x(d.low), x(d.high)], y)
        marks.append(Mark(series, words, path=error, glyph="whisker"))
        marks.append(Mark(series, words, x=x(d.mean), y=y, glyph="●"))
    baseline = comparison.name(comparison.family.baseline)
    unit = "nats" if comparison.unit is Unit.NATS else comparison.unit
    return Chart(
        name="differences",
        title="Differences",
        note="Paired per datum, with simultaneous intervals over data and seeds.",
        x=x,
        xlabel=f"Δ {comparison.measure_name} to {cut(baseline)}, {unit}",
        marks=marks,
        guides=[polyline([(x(0), TOP), (x(0), bottom)])],
        rows=rows,
        height=bottom + BOTTOM,
        left=left,
    )
