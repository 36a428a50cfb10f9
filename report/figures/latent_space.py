"""Where the guide puts the data."""

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from experiment import Run
from report.figures.pictures import posterior_means
from report.figures.style import MIDDLE

MOST = 5000


def latent_space(run: Run, evaluation: Evaluation) -> Figure | None:
    """Scatter of E_q[z], coloured by label; the two main principal components beyond two dimensions."""
    split = run.data(evaluation.split)
    count = min(evaluation.num_examples, MOST)
    (means, *_) = posterior_means(run.model, run.guide, split[:count]).values()
    points = means.flatten(1).double().cpu().numpy()
    labels = None if split.labels is None else split.labels[:count].cpu().numpy()
    figure = Figure(figsize=(6.2, 5.6))
    axis = figure.subplots()
    axis.set_title("E_q[z] of the data" + ("" if labels is None else ", by label"))
    if points.shape[1] == 1:
        height = np.random.default_rng(0).uniform(size=len(points)) if labels is None else labels
        height = height + np.random.default_rng(0).uniform(-0.3, 0.3, size=len(points))
        points = np.column_stack([points[:, 0], height])
        axis.set_xlabel("z")
        axis.set_ylabel("" if labels is None else "label")
    elif points.shape[1] == 2:
        axis.set_xlabel("z₁")
        axis.set_ylabel("z₂")
    else:
        points, shares = _principal(points)
        axis.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
        axis.set_ylabel(f"second ({shares[1]:.0%})")
    _scatter(axis, points, labels)
    return figure


def _principal(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred = points - points.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, :2] * s[:2], s**2 / (s**2).sum()


def _scatter(axis: Axes, points: np.ndarray, labels: np.ndarray | None) -> None:
    size = float(np.clip(20_000 / len(points), 4, 20))
    if labels is None:
        axis.scatter(points[:, 0], points[:, 1], s=size, color=MIDDLE, linewidths=0)
        return
    classes = np.unique(labels)
    colours = matplotlib.colormaps["tab10" if len(classes) <= 10 else "turbo"]
    for index, label in enumerate(classes):
        mine = points[labels == label]
        colour = colours(index if len(classes) <= 10 else index / len(classes))
        axis.scatter(mine[:, 0], mine[:, 1], s=size, color=colour, alpha=0.7, linewidths=0)
        # The label itself, at the median: the colours need no legend, and the figure reads in black and white.
        axis.annotate(
            str(label),
            np.median(mine, axis=0),
            ha="center",
            va="center",
            weight="bold",
            fontsize=13,
            path_effects=[patheffects.withStroke(linewidth=3, foreground="white")],
        )
