"""Data beside what the model expects of them after it has seen them."""

import torch
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from evidence.weights import as_batch
from experiment import Run
from report.figures.pictures import is_picture, mosaic, reconstruct
from report.figures.style import ACCENT, DARK

PAIRS = 12


def reconstructions(run: Run, evaluation: Evaluation) -> Figure | None:
    """The first data of the split above their reconstructions; vectors as profiles."""
    batch = run.data(evaluation.split)[:PAIRS]
    x, means = as_batch(batch)[0], reconstruct(run.model, run.guide, batch)
    if not is_picture(run.dataset.shape):
        return _profiles(x, means)
    figure = Figure(figsize=(10, 1.9))
    axis = figure.subplots()
    axis.imshow(mosaic(torch.cat([x, means]), 2, len(x)), vmin=0, vmax=1)
    height = x.shape[-2] + 1
    axis.set_yticks([height / 2, 1.5 * height], ["x", "E_q[x | z]"])
    axis.set_xticks([])
    _bare(axis)
    axis.set_title(f"{evaluation.split} data (above) and their reconstructions (below)")
    return figure


def _profiles(x: torch.Tensor, means: torch.Tensor) -> Figure:
    figure = Figure(figsize=(10, 3.6))
    axes = figure.subplots(2, 3, sharex=True, sharey=True).flat
    for axis, datum, mean in zip(axes, x.flatten(1).cpu(), means.flatten(1).cpu(), strict=False):
        axis.plot(datum, "o", color=DARK, markersize=3, label="x")
        axis.plot(mean, "-", color=ACCENT, label="E_q[x | z]")
    figure.axes[0].legend(fontsize=8)
    figure.supxlabel("dimension")
    figure.supylabel("value")
    return figure


def _bare(axis) -> None:  # type: ignore[no-untyped-def]
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
