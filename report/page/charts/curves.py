"""The learning curves of all runs."""

from collections.abc import Sequence

from evaluation.quantities import Curve
from report.comparison.reading import EvaluatedRun
from report.comparison.units import Unit
from report.page.chart import BOTTOM, HEIGHT, TOP, Chart, Mark, epochs, polyline, scale
from report.page.charts.shown import Shown, legend

MOST_POINTS = 200


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
        legend=legend(runs),
    )


def valid_elbo(run: EvaluatedRun) -> Curve:
    """Returns the ELBO on the validation split by epoch."""
    points = (
        (epoch.number, epoch.values["elbo"])
        for epoch in run.epochs
        if epoch.split == "valid" and "elbo" in epoch.values
    )
    return Curve("elbo", "valid", tuple(points))
