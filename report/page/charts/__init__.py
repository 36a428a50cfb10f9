"""The charts of a comparison."""

from report.comparison.comparing import Comparison
from report.comparison.units import Unit
from report.page.chart import Chart
from report.page.charts.curves import learning_curves
from report.page.charts.differences import differences
from report.page.charts.gaps import gaps
from report.page.charts.ladder import ladder
from report.page.charts.plane import rate_distortion
from report.page.charts.shown import Shown


def charts(comparison: Comparison) -> list[Chart]:
    """Draws the charts that the runs have numbers for."""
    made = [differences(comparison)]
    if comparison.unit is Unit.NATS:
        runs = [
            Shown(series, comparison.name(series), run)
            for series, setting in enumerate(comparison.settings)
            for run in setting.runs
        ]
        made += [learning_curves(runs), ladder(runs), rate_distortion(runs), gaps(runs)]
    return [chart for chart in made if chart is not None]
