"""Data beside what the model expects of them after it has seen them."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from evaluation.result import Evaluation
from evidence.batch import Batch
from experiment import Run
from experiment.predictions import reconstruct
from report.figures.mosaic import is_picture, mosaic
from report.figures.profile import in_standard_units, label_profiles
from report.figures.style import ACCENT, DARK, frame_rows_of_pictures

PAIRS = 12


def reconstructions(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws the first data of the split above their reconstructions; vectors as profiles."""
    batch = Batch.of(run.data(evaluation.split)[:PAIRS])
    means = reconstruct(run.model, run.guide, batch)
    if not is_picture(run.dataset.shape):
        drawn = in_standard_units(run.dataset)
        figure = _profiles(drawn(batch.x), drawn(means))
        label_profiles(figure, run.dataset)
        return figure
    figure = Figure(figsize=(10, 1.9))
    axis = figure.subplots()
    axis.imshow(mosaic(torch.cat([batch.x, means]), 2, batch.size), vmin=0, vmax=1)
    frame_rows_of_pictures(axis, ["x", "E_q[x | z]"], batch.x.shape[-2])
    axis.set_title(f"{evaluation.split} data (above) and their reconstructions (below)")
    return figure


def _profiles(x: Tensor, means: Tensor) -> Figure:
    figure = Figure(figsize=(10, 3.6))
    axes = figure.subplots(2, 3, sharex=True, sharey=True).flat
    for axis, datum, mean in zip(axes, x.flatten(1).cpu(), means.flatten(1).cpu(), strict=False):
        axis.plot(datum, "o", color=DARK, markersize=3, label="x")
        axis.plot(mean, "-", color=ACCENT, label="E_q[x | z]")
    figure.axes[0].legend(fontsize=8)
    return figure
