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
from report.names import latent_name

# Dimensions whose names find room below an axis.
MOST_NAMED = 12


def diagnostics(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws k̂ of every datum, and beside that the activity of every dimension, if it is known."""
    weighed, usage = evaluation.diagnostics.reliability, evaluation.diagnostics.usage
    if weighed is None:
        return None
    figure = Figure(figsize=(10, 3))
    axes = figure.subplots(1, 1 if usage is None else 2, squeeze=False)[0]
    _reliability(axes[0], weighed)
    if usage is not None:
        _activity(axes[1], usage)
    return figure


def _reliability(axis: Axes, weighed: Reliability) -> None:
    k = weighed.pareto_k[weighed.pareto_k.isfinite()].numpy()
    if len(k):
        axis.hist(k, bins=min(30, 5 + len(k) // 10), color=LIGHT, edgecolor=MIDDLE)
    axis.axvline(weighed.threshold, color=ACCENT, linewidth=1, label="above: not to be trusted")
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(top=1.3 * axis.get_ylim()[1])
    axis.legend(fontsize=8, loc="upper left", frameon=True, framealpha=0.9, edgecolor="none")
    share = f"{weighed.bad:.0%} of the data beyond {weighed.threshold:.2f}"
    axis.set_title(f"k̂ of the weights: {share}")
    axis.set_xlabel(f"Pareto k̂ ({weighed.particles} particles)")
    axis.set_ylabel("data")


def _activity(axis: Axes, usage: LatentUsage) -> None:
    """Draws the variance over data of E_q[z_d], in falling order."""
    activity = usage.activity.cpu().numpy().clip(1e-5)
    order = np.argsort(-activity)
    place = np.arange(1, len(order) + 1)
    used = activity[order] > COLLAPSED
    for mine, face in ((used, DARK), (~used, "white")):
        axis.plot(place[mine], activity[order][mine], "o", color=DARK, markerfacecolor=face)
    axis.axhline(COLLAPSED, color=ACCENT, linewidth=1, label="below: not in use")
    axis.set_yscale("log")
    axis.set_ylim(min(COLLAPSED, activity.min()) / 3, 10 * max(1.0, activity.max()))
    axis.set_xlim(0.5, len(order) + 0.5)
    if len(order) <= MOST_NAMED:
        axis.set_xticks(place, [latent_name("z", d) for d in order])
    else:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize=8, loc="upper right", frameon=True, framealpha=0.9, edgecolor="none")
    axis.set_title(f"{usage.active_units} of {len(activity)} latent dimensions in use")
    axis.set_xlabel("latent dimension, by use")
    axis.set_ylabel("variance of E_q[z] over data")
