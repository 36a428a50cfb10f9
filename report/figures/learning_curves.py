"""ELBO, reconstruction and rate by epoch."""

import numpy as np
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import ACCENT, DARK, MIDDLE

PANELS = (
    ("elbo", "ELBO"),
    ("reconstruction", "reconstruction  E_q[log p(x|z)]"),
    ("kl", "rate  KL(q‖p)"),
)


def learning_curves(run: Run, evaluation: Evaluation) -> Figure | None:
    """One panel a term; training solid, validation dashed, the kept epoch marked."""
    records = run.metrics
    if not records:
        return None
    figure = Figure(figsize=(10, 3))
    for axis, (key, title) in zip(figure.subplots(1, 3), PANELS, strict=True):
        shown = []
        for split, style, colour in (("train", "-", MIDDLE), ("valid", "--", DARK)):
            lines = [(r["epoch"], r[key]) for r in records if r["split"] == split]
            epochs, values = np.array(lines).T
            axis.plot(epochs, values, style, color=colour, label=split)
            shown.append(values[len(values) // 20 :])  # the first epochs would flatten the rest
        low, high = np.concatenate(shown).min(), np.concatenate(shown).max()
        axis.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
        axis.axvline(run.epoch, color=ACCENT, linewidth=0.8)
        axis.set_title(title)
        axis.set_xlabel("epoch")
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
