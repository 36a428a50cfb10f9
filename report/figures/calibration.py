"""Whether q(z|x) covers the truth as often as it says."""

import numpy as np
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, LIGHT, MIDDLE


def calibration(run: Run, evaluation: Evaluation) -> Figure | None:
    """The ECDF of the ranks minus the uniform one: one line a dimension, and log p(x, z); in the band if q is right."""
    ranked = evaluation.diagnostics.calibration
    if ranked is None:
        return None
    figure = Figure(figsize=(8, 3.2))
    axis = figure.subplots()
    excess, band = ranked.excess().cpu().numpy(), ranked.band()
    share = (np.arange(ranked.draws + 1) + 1) / (ranked.draws + 1)
    axis.fill_between(
        share, -band, band, color=LIGHT, linewidth=0, label="99 % band, all lines together"
    )
    for dimension, line in enumerate(excess[:-1]):
        axis.plot(
            share,
            line,
            color=MIDDLE,
            linewidth=0.9,
            label=None if dimension else "each dimension of z",
        )
    axis.plot(share, excess[-1], color=ACCENT, label="log p(x, z)")
    axis.set_xlabel("rank of the truth among draws of q, as a share")
    axis.set_ylabel("ECDF − uniform")
    axis.set_title(f"Ranks on {len(ranked.ranks)} simulated data")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
