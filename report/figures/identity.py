"""log p(x) = reconstruction − rate + gap, as bars."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.measured import Measured
from evaluation.quantities import Ladder
from evaluation.result import Evaluation
from evaluation.summary import ladder
from experiment import Run
from report.figures.ladder import draw_rungs
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE, ZERO
from report.names import BOUNDS, bound_name

SHOWN = ("elbo", "iwae", "exact")


def identity(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws how the ELBO is made of its two terms, and beside that the bounds, enlarged."""
    bounds = {name: bound for name, bound in evaluation.bounds.items() if name in SHOWN}
    shown = ladder(bounds, evaluation.tightest)
    figure = Figure(figsize=(10, 3.2))
    whole, enlarged = figure.subplots(1, 2, width_ratios=(1.1, 1))
    reconstruction = Measured.of(evaluation.reconstruction).mean
    _waterfall(whole, reconstruction, evaluation.bounds.elbo.mean, shown)
    _ladder(enlarged, shown)
    return figure


def _waterfall(axis: Axes, reconstruction: float, elbo: float, shown: Ladder) -> None:
    best = shown.reference
    bars = [
        ("reconstruction", 0.0, reconstruction, LIGHT, ""),
        ("− rate", reconstruction, elbo, MIDDLE, "//"),
        ("= ELBO", 0.0, elbo, DARK, ""),
        (bound_name(best.name, best.effort), 0.0, best.mean, ACCENT, ""),
    ]
    for row, (_, start, end, colour, hatch) in enumerate(bars):
        value, outside = end - start, min(start, end)
        axis.barh(row, value, left=start, color=colour, hatch=hatch, edgecolor="white", height=0.7)
        axis.annotate(f"{value:.2f} ", (outside, row), ha="right", va="center", fontsize=9)
    axis.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    axis.invert_yaxis()
    axis.margins(x=0.16)
    axis.axvline(0, color=ZERO, linewidth=0.8)
    axis.set_xlabel("nats per datum")
    axis.set_title("What the bound is made of")


def _ladder(axis: Axes, shown: Ladder) -> None:
    draw_rungs(axis, shown, room_above=0.7)
    for row, rung in enumerate(shown.rungs):
        axis.annotate(
            f"{rung.mean:.3f}",
            (rung.distance.mean, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.axvline(0, color=ACCENT, linewidth=0.8, alpha=0.6)
    best = shown.reference
    what = BOUNDS["exact"] if best.kind == "exact" else "the best lower bound"
    axis.set_xlabel(f"nats per datum from {what} (paired, ± 2 s.e.)")
    axis.set_title("Bounds, enlarged   ▶ lower   ◆ exact")
