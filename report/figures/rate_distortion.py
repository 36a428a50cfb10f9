"""Rate against distortion, on the way through training and at the end."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.measured import Measured, typeset
from evaluation.quantities import equal_elbos, path_of_rates
from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, LIGHT, MIDDLE

SAME = "the same ELBO, whose value is at the end"
LABEL: Any = {
    "ha": "right",
    "va": "bottom",
    "xytext": (-2, 1),
    "textcoords": "offset points",
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.5},
}


def rate_distortion(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws the plane of Alemi et al. (2018), where the lower left is better.

    Along a straight line, rate + distortion = −ELBO is the same.
    """
    figure = Figure(figsize=(5, 4.4))
    axis = figure.subplots()
    path = path_of_rates(run.metrics)
    if path:
        rates, distortions = zip(*path, strict=True)
        axis.plot(rates, distortions, "-", color=MIDDLE, linewidth=1, label="validation, by epoch")
    point = evaluation.diagnostics.rate_distortion
    rate, distortion = Measured.of(point.rate), Measured.of(point.distortion)
    axis.errorbar(
        [rate.mean],
        [distortion.mean],
        xerr=[2 * rate.standard_error],
        yerr=[2 * distortion.standard_error],
        fmt="D",
        color=ACCENT,
        capsize=2,
        label=f"{evaluation.split}, at the end (± 2 s.e.)",
    )
    axis.margins(0.15)
    _same_elbo(axis)
    axis.set_xlabel("rate  KL(q(z|x)‖p(z)), nats")
    axis.set_ylabel("distortion  −E_q[log p(x|z)], nats")
    axis.set_title("Rate and distortion")
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    return figure


def _same_elbo(axis: Axes) -> None:
    """Draws lines of one ELBO behind everything else, each with its value where it ends."""
    rates, distortions = axis.get_xlim(), axis.get_ylim()
    for number, line in enumerate(equal_elbos(rates, distortions)):
        (first, top), (last, bottom) = line.start, line.end
        label = None if number else SAME
        axis.plot([first, last], [top, bottom], color=LIGHT, linewidth=0.9, zorder=0, label=label)
        text = typeset(f"{line.elbo:.1f}")
        axis.annotate(text, line.end, color="#666666", fontsize=7, **LABEL)
    axis.set_xlim(rates)
    axis.set_ylim(distortions)
