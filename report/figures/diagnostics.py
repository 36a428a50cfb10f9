"""Which data the importance weights fail on, and which latent dimensions are used."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.result import Evaluation
from evidence.usage import COLLAPSED
from experiment import Run
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE


def diagnostics(run: Run, evaluation: Evaluation) -> Figure | None:
    """Left: k̂ of every datum. Right: the variance over data of E_q[z_d], in falling order."""
    weighed, usage = evaluation.diagnostics.reliability, evaluation.diagnostics.usage
    figure = Figure(figsize=(10, 3))
    axes = figure.subplots(1, 1 if usage is None else 2, squeeze=False)[0]
    k = weighed.pareto_k[weighed.pareto_k.isfinite()].numpy()
    if len(k):
        axes[0].hist(k, bins=30, color=LIGHT, edgecolor=MIDDLE)
    axes[0].axvline(weighed.threshold, color=ACCENT, linewidth=1)
    axes[0].set_title(
        f"k̂ of the weights: {weighed.bad:.0%} of the data beyond {weighed.threshold:.2f}"
    )
    axes[0].set_xlabel(f"Pareto k̂ ({weighed.particles} particles)")
    axes[0].set_ylabel("data")
    if usage is not None:
        activity = np.sort(usage.activity.cpu().numpy())[::-1].clip(1e-5)
        used = activity > COLLAPSED
        axes[1].bar(range(1, len(activity) + 1), activity, color=np.where(used, DARK, LIGHT))
        axes[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[1].axhline(COLLAPSED, color=ACCENT, linewidth=1)
        axes[1].set_yscale("log")
        axes[1].set_title(f"{usage.active_units} of {len(activity)} latent dimensions in use")
        axes[1].set_xlabel("latent dimension, by use")
        axes[1].set_ylabel("variance of E_q[z] over data")
    return figure
