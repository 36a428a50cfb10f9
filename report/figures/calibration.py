"""Whether q(z|x) covers the truth as often as it claims to."""

import numpy as np
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, LIGHT, MIDDLE


def calibration(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws the ECDF of the ranks minus the uniform one, which stays in the band if q is right.

    There is one line for each dimension of z, and one for log p(x, z).
    """
    ranked = evaluation.diagnostics.calibration
    if ranked is None:
        return None
    figure = Figure(figsize=(8, 3.2))
    axis = figure.subplots()
    excess, band = ranked.excess().cpu().numpy(), ranked.band()
    share = (np.arange(ranked.draws + 1) + 1) / (ranked.draws + 1)
    label = "99 % band, all lines together"
    axis.fill_between(share, -band, band, color=LIGHT, linewidth=0, label=label)
    for dimension, line in enumerate(excess[:-1]):
        own = None if dimension else "each dimension of z"
        axis.plot(share, line, color=MIDDLE, linewidth=0.9, label=own)
    axis.plot(share, excess[-1], color=ACCENT, label="log p(x, z)")
    axis.set_xlabel("rank of the truth among draws of q, as a share")
    axis.set_ylabel("ECDF − uniform")
    axis.set_title(f"Ranks on {len(ranked.ranks)} simulated data")
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
