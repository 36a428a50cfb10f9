"""Rate against distortion, on the way through training and at the end."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from evidence.estimate import measured
from experiment import Run
from report.figures.style import ACCENT, LIGHT, MIDDLE


def rate_distortion(run: Run, evaluation: Evaluation) -> Figure | None:
    """Along a straight line rate + distortion = −ELBO is the same; lower left is better (Alemi et al. 2018)."""
    point = evaluation.diagnostics.rate_distortion
    figure = Figure(figsize=(4.6, 4))
    axis = figure.subplots()
    path = np.array([(r["kl"], -r["reconstruction"]) for r in run.metrics if r["split"] == "valid"])
    if len(path):
        path = path[len(path) // 20 :]  # the first epochs would flatten the rest
        axis.plot(*path.T, "-", color=MIDDLE, linewidth=1, label="validation, by epoch")
    rate, distortion = measured(point.rate), measured(point.distortion)
    axis.errorbar(
        [rate["mean"]], [distortion["mean"]], xerr=[2 * rate["se"]], yerr=[2 * distortion["se"]],
        fmt="D", color=ACCENT, capsize=2, label=f"{evaluation.split}, at the end (± 2 s.e.)",
    )  # fmt: skip
    axis.margins(0.15)
    _same_elbo(axis)
    axis.set_xlabel("rate  KL(q(z|x)‖p(z)), nats")
    axis.set_ylabel("distortion  −E_q[log p(x|z)], nats")
    axis.set_title("Rate and distortion")
    axis.legend(fontsize=8)
    return figure


def _same_elbo(axis: Axes) -> None:
    """Lines of one ELBO behind what is drawn, each with its value."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    for total in np.linspace(left + bottom, right + top, 7)[1:-1]:
        axis.plot(
            [left, right], [total - left, total - right], color=LIGHT, linewidth=0.9, zorder=0
        )
        x = min(right, total - bottom)  # where the line leaves the picture
        axis.annotate(
            f"{-total:.1f} ", (x, total - x), color="#777777", fontsize=7, ha="right", va="bottom"
        )
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
