"""ELBO, reconstruction and rate by epoch."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.quantities import Curve, Term, curve
from evaluation.result import Evaluation
from experiment import Run
from report.epochs import epoch_ticks
from report.figures.style import ACCENT, DARK, MIDDLE
from report.names import TERMS

PANELS: tuple[Term, ...] = ("elbo", "reconstruction", "kl")
LINES = {"train": ("-", MIDDLE), "valid": ("--", DARK)}


def learning_curves(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws one panel a term: training solid, validation dashed, and the epoch that was kept."""
    panels = [[curve(run.metrics, term, split) for split in LINES] for term in PANELS]
    if not all(line.points for lines in panels for line in lines):
        return None
    figure = Figure(figsize=(10, 3.2))
    for axis, lines in zip(figure.subplots(1, 3), panels, strict=True):
        _panel(axis, lines, run.epoch)
    figure.axes[0].set_ylabel("nats per datum")
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _panel(axis: Axes, lines: list[Curve], kept: int) -> None:
    for line in lines:
        style, colour = LINES[line.split]
        mark = "." if len(line.points) == 1 else ""
        axis.plot(line.epochs, line.values, style, color=colour, label=line.split, marker=mark)
    settled = [value for line in lines for value in line.settled]
    low, high = min(settled), max(settled)
    axis.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    label = f"epoch {kept}, whose weights are measured"
    axis.axvline(kept, color=ACCENT, linewidth=0.8, label=label)
    epochs = [epoch for line in lines for epoch in line.epochs]
    axis.set_xticks(epoch_ticks(min(epochs), max(epochs)))
    axis.set_title(TERMS[lines[0].term])
    axis.set_xlabel("epoch")
