"""Which data the importance weights fail on, and which latent dimensions are used."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.result import Evaluation
from evidence.reliability import Reliability
from evidence.usage import COLLAPSED, LatentUsage
from experiment import Run
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE


def diagnostics(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws k̂ of every datum, and beside that the activity of every dimension, if it is known."""
    weighed, usage = evaluation.diagnostics.reliability, evaluation.diagnostics.usage
    figure = Figure(figsize=(10, 3))
    axes = figure.subplots(1, 1 if usage is None else 2, squeeze=False)[0]
    _reliability(axes[0], weighed)
    if usage is not None:
        _activity(axes[1], usage)
    return figure


def _reliability(axis: Axes, weighed: Reliability) -> None:
    k = weighed.pareto_k[weighed.pareto_k.isfinite()].numpy()
    if len(k):
        axis.hist(k, bins=30, color=LIGHT, edgecolor=MIDDLE)
    axis.axvline(weighed.threshold, color=ACCENT, linewidth=1)
    share = f"{weighed.bad:.0%} of the data beyond {weighed.threshold:.2f}"
    axis.set_title(f"k̂ of the weights: {share}")
    axis.set_xlabel(f"Pareto k̂ ({weighed.particles} particles)")
    axis.set_ylabel("data")


def _activity(axis: Axes, usage: LatentUsage) -> None:
    """Draws the variance over data of E_q[z_d], in falling order."""
    activity = np.sort(usage.activity.cpu().numpy())[::-1].clip(1e-5)
    colours = np.where(activity > COLLAPSED, DARK, LIGHT)
    axis.bar(range(1, len(activity) + 1), activity, color=colours)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.axhline(COLLAPSED, color=ACCENT, linewidth=1)
    axis.set_yscale("log")
    axis.set_title(f"{usage.active_units} of {len(activity)} latent dimensions in use")
    axis.set_xlabel("latent dimension, by use")
    axis.set_ylabel("variance of E_q[z] over data")
