"""log p(x) = reconstruction − rate + gap, as bars."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, DARK, LIGHT, MARKS, MIDDLE


def identity(run: Run, evaluation: Evaluation) -> Figure | None:
    """Left: how the ELBO is made of its two terms. Right: every bound on log p(x), enlarged, with its side."""
    figure = Figure(figsize=(10, 3.2))
    whole, ladder = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _waterfall(whole, evaluation)
    _ladder(ladder, evaluation)
    return figure


def _waterfall(axis: Axes, evaluation: Evaluation) -> None:
    nats = {name: bound.mean for name, bound in evaluation.bounds.items()}
    nats["reconstruction"] = float(evaluation.reconstruction.mean())
    best = evaluation.tightest
    name = "log p(x)" if best == "exact" else f"IWAE-{evaluation.bounds.tightest.particles}"
    bars = [
        ("reconstruction", 0.0, nats["reconstruction"], LIGHT, ""),
        ("− rate", nats["reconstruction"], nats["elbo"], MIDDLE, "//"),
        ("= ELBO", 0.0, nats["elbo"], DARK, ""),
        (name, 0.0, nats[best], ACCENT, ""),
    ]
    for row, (_, start, end, colour, hatch) in enumerate(bars):
        axis.barh(
            row, end - start, left=start, color=colour, hatch=hatch, edgecolor="white", height=0.7
        )
        value = end - start
        outside = min(start, end)
        axis.annotate(f"{value:.2f} ", (outside, row), ha="right", va="center", fontsize=9)
    axis.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    axis.invert_yaxis()
    axis.margins(x=0.16)
    axis.axvline(0, color="#888888", linewidth=0.8)
    axis.set_xlabel("nats per datum")
    axis.set_title("What the bound is made of")


def _ladder(axis: Axes, evaluation: Evaluation) -> None:
    shown = {
        "elbo": "ELBO",
        "iwae": f"IWAE-{evaluation.bounds.iwae.particles}",
        "exact": "log p(x)",
    }
    rows = [(shown[name], bound) for name, bound in evaluation.bounds.items() if name in shown]
    reference = evaluation.bounds.tightest
    for row, (_, bound) in enumerate(rows):
        difference = bound.per_datum - reference.per_datum  # paired: the spread of the data cancels
        error = float(difference.std()) / len(difference) ** 0.5
        mean = float(difference.mean())
        colour = ACCENT if bound.kind == "exact" else DARK
        axis.errorbar(
            mean, row, xerr=2 * error, fmt=MARKS[bound.kind], color=colour, markersize=8, capsize=3
        )
        axis.annotate(
            f"{bound.mean:.3f}",
            (mean, row),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.set_yticks(range(len(rows)), [label for label, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.7)
    axis.axvline(0, color=ACCENT, linewidth=0.8, alpha=0.6)
    axis.margins(x=0.15)
    what = "log p(x)" if evaluation.tightest == "exact" else "the best lower bound"
    axis.set_xlabel(f"nats per datum from {what} (paired, ± 2 s.e.)")
    axis.set_title("Bounds, enlarged   ▶ lower   ◆ exact")
