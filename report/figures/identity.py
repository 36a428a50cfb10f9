"""log p(x) = reconstruction − rate + gap, step by step."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.measured import Measured, typeset
from evaluation.quantities import Ladder
from evaluation.result import Evaluation
from evaluation.summary import ladder
from experiment import Run
from report.figures.ladder import draw_rungs, explain_marks
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE, ZERO
from report.names import BOUNDS, bound_name

SHOWN = ("elbo", "iwae", "exact")


def identity(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws how log p(x) is made of its terms, and beside that the bounds, enlarged."""
    bounds = {name: bound for name, bound in evaluation.bounds.items() if name in SHOWN}
    shown = ladder(bounds, evaluation.tightest)
    figure = Figure(figsize=(10, 3.4))
    whole, enlarged = figure.subplots(1, 2, width_ratios=(1.1, 1))
    reconstruction = Measured.of(evaluation.reconstruction).mean
    _steps(whole, reconstruction, evaluation.bounds.elbo.mean, shown)
    _ladder(enlarged, shown)
    explain_marks(figure, shown.kinds)
    return figure


def _steps(axis: Axes, reconstruction: float, elbo: float, shown: Ladder) -> None:
    """Draws terms as bars from where the last one ended, and sums as marks.

    So the scale is that of the terms that differ between models, wherever log p(x) is.
    """
    best = shown.reference
    name = bound_name(best.name, best.effort)
    gap = "+ gap" if best.kind == "exact" else f"+ ({name} − ELBO)"
    _sum(axis, 0, reconstruction, MIDDLE)
    _term(axis, 1, reconstruction, elbo, MIDDLE, "//")
    _sum(axis, 2, elbo, DARK)
    _term(axis, 3, elbo, best.mean, LIGHT, "")
    _sum(axis, 4, best.mean, ACCENT if best.kind == "exact" else DARK)
    for row, place in enumerate((reconstruction, elbo, elbo, best.mean)):
        axis.plot([place, place], [row, row + 1], color=ZERO, linewidth=0.8, zorder=0)
    axis.set_yticks(range(5), ["reconstruction", "− rate", "= ELBO", gap, f"= {name}"])
    axis.set_ylim(4.6, -0.6)
    low, high = min(reconstruction, elbo, best.mean), max(reconstruction, elbo, best.mean)
    axis.set_xlim(low - 0.08 * (high - low), high + 0.25 * (high - low))
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel("nats per datum")
    axis.set_title(f"What {name} is made of")


def _sum(axis: Axes, row: int, value: float, colour: str) -> None:
    axis.plot([value], [row], "s", color=colour, markersize=7)
    _write(axis, f"  {value:.2f}", value, row)


def _term(axis: Axes, row: int, start: float, end: float, colour: str, hatch: str) -> None:
    length = end - start
    axis.barh(row, length, left=start, color=colour, hatch=hatch, edgecolor="white", height=0.5)
    _write(axis, f"  {length:+.2f}", max(start, end), row)


def _write(axis: Axes, text: str, x: float, row: int) -> None:
    axis.annotate(typeset(text), (x, row), ha="left", va="center", fontsize=9)


def _ladder(axis: Axes, shown: Ladder) -> None:
    draw_rungs(axis, shown, room_above=0.7)
    for row, rung in enumerate(shown.rungs):
        axis.annotate(
            typeset(f"{rung.mean:.3f}"),
            (rung.distance.mean, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.axvline(0, color=ZERO, linewidth=0.8)
    best = shown.reference
    what = BOUNDS["exact"] if best.kind == "exact" else "the best lower bound"
    axis.locator_params(axis="x", nbins=5)
    axis.set_xlabel(f"nats per datum from {what} (paired, ± 2 s.e.)")
    axis.set_title("Bounds, enlarged")
