"""ELBO, reconstruction and rate by epoch."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.quantities import Curve, Term, curve
from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, DARK, MIDDLE
from report.names import TERMS

PANELS: tuple[Term, ...] = ("elbo", "reconstruction", "kl")
LINES = {"train": ("-", MIDDLE), "valid": ("--", DARK)}


def learning_curves(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws one panel a term: training solid, validation dashed, and the epoch that was kept."""
    panels = [[curve(run.metrics, term, split) for split in LINES] for term in PANELS]
    if not all(line.points for lines in panels for line in lines):
        return None
    figure = Figure(figsize=(10, 3))
    for axis, lines in zip(figure.subplots(1, 3), panels, strict=True):
        _panel(axis, lines, run.epoch)
    figure.axes[0].set_ylabel("nats per datum")
    figure.axes[0].legend(loc="lower right")
    figure.axes[2].annotate(
        f"kept: {run.epoch}",
        (run.epoch, 0.02),
        xycoords=("data", "axes fraction"),
        color=ACCENT,
        ha="right",
        fontsize=8,
        xytext=(-3, 0),
        textcoords="offset points",
    )
    return figure


def _panel(axis: Axes, lines: list[Curve], kept: int) -> None:
    for line in lines:
        style, colour = LINES[line.split]
        axis.plot(line.epochs, line.values, style, color=colour, label=line.split)
    settled = [value for line in lines for value in line.settled]
    low, high = min(settled), max(settled)
    axis.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    axis.axvline(kept, color=ACCENT, linewidth=0.8)
    axis.set_title(TERMS[lines[0].term])
    axis.set_xlabel("epoch")
