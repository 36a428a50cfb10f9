"""Where the guide puts the data."""

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.codes import principal_components
from evaluation.result import Evaluation
from experiment import Run
from report.figures.style import MIDDLE, plain

MOST = 5000
# The letters of a label that are shown, and the labels that have a tick.
LONGEST, MOST_TICKS = 20, 20


def latent_space(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws E_q[z] of the first latent site as a scatter, with the labels by name and in colour.

    Beyond two dimensions it shows the two main principal components, for which one datum is not
    enough.
    """
    if evaluation.num_examples == 1:
        return None
    means = next(iter(evaluation.codes.means.values()))[:MOST]
    points = means.flatten(1).double().cpu().numpy()
    split = run.data(evaluation.split)
    labels = None if split.labels is None else split.labels[: len(points)].cpu().numpy()
    names = [plain(str(name)[:LONGEST]) for name in run.dataset.classes]
    figure = Figure(figsize=(6.2, 5.6))
    axis = figure.subplots()
    axis.set_title("E_q[z] of the data" if labels is None else "E_q[z] of the data, by label")
    if points.shape[1] == 1:
        height = np.random.default_rng(0).uniform(size=len(points)) if labels is None else labels
        height = height + np.random.default_rng(0).uniform(-0.3, 0.3, size=len(points))
        points = np.column_stack([points[:, 0], height])
        axis.set_xlabel("z")
        axis.set_ylabel("" if labels is None else "label")
        if labels is not None:  # beyond a few, the labels stand in the plot alone
            few = range(len(names) if len(names) <= MOST_TICKS else 0)
            axis.set_yticks(few, [names[number] for number in few])
    elif points.shape[1] == 2:
        axis.set_xlabel("z₁")
        axis.set_ylabel("z₂")
    else:
        points, shares = principal_components(points)
        axis.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
        axis.set_ylabel(f"second ({shares[1]:.0%})")
    _scatter(axis, points, labels, names)
    return figure


def _scatter(axis: Axes, points: np.ndarray, labels: np.ndarray | None, names: list[str]) -> None:
    size = float(np.clip(20_000 / len(points), 4, 20))
    if labels is None:
        axis.scatter(points[:, 0], points[:, 1], s=size, color=MIDDLE, linewidths=0)
        return
    there = np.unique(labels)
    few = len(there) <= 10
    colours = matplotlib.colormaps["tab10" if few else "turbo"]
    for index, label in enumerate(there):
        mine = points[labels == label]
        colour = colours(index if few else index / len(there))
        axis.scatter(mine[:, 0], mine[:, 1], s=size, color=colour, alpha=0.7, linewidths=0)
        # The label stands at the median of its data: the colours need no legend, and a print in
        # black and white reads.
        axis.annotate(
            names[label],
            np.median(mine, axis=0),
            ha="center",
            va="center",
            weight="bold",
            fontsize=13,
            path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        )
