"""Where annealing puts log p(x), from both sides: on real data, and on simulated data."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.measured import Measured, typeset
from evaluation.quantities import Ladder
from evaluation.result import Evaluation
from evaluation.summary import ladder
from experiment import Run
from report.figures.ladder import draw_rungs, explain_marks
from report.figures.style import ZERO

SHOWN = ("iwae", "ais", "exact", "reverse_ais")


def bracket(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws both panels: the paired distances of the bounds from forward annealing."""
    simulated = evaluation.diagnostics.annealing
    bounds = dict(evaluation.bounds.items())
    if simulated is None or "ais" not in bounds:
        return None
    figure = Figure(figsize=(10, 2.9))
    left, right = figure.subplots(1, 2)
    shown = {n: b for n, b in bounds.items() if n in SHOWN and math.isfinite(b.mean)}
    real = ladder(shown, "ais")
    _panel(left, real)
    left.set_title(f"The first {bounds['ais'].num_examples} {evaluation.split} data")
    lower, upper = simulated.bracket.lower, simulated.bracket.upper
    both_sides = {"iwae": simulated.iwae, "ais": lower, "reverse_ais": upper}
    drawn = ladder(both_sides, "ais")
    _panel(right, drawn)
    gap = Measured.of(simulated.bracket.gap)
    right.set_title(typeset(f"{gap.num_examples} simulated data: a gap of {gap.mean:.2f} nats"))
    explain_marks(figure, real.kinds | drawn.kinds)
    return figure


def _panel(axis: Axes, shown: Ladder) -> None:
    draw_rungs(axis, shown)
    axis.axvline(0, color=ZERO, linewidth=0.8)
    axis.locator_params(axis="x", nbins=6)
    axis.set_xlabel("nats per datum from AIS (paired, ± 2 s.e.)")
