"""Data with a part held back, beside what was put in its place."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from evaluation.imputation import Imputed
from report.figures.mosaic import is_picture, mosaic
from report.figures.profile import in_standard_units, label_profiles
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE, frame_rows_of_pictures

SHOWN = 12
ROWS = ["observed", "E[x_mis | x_obs]", "a draw of x_mis", "truth"]


def imputations(imputed: Imputed) -> Figure:
    """Draws what is observed, E[x_mis|x_obs], one draw from p(x_mis|x_obs), and the truth.

    Pictures lie in one row each, and vectors are drawn as profiles.
    """
    x, missing = imputed.x[:SHOWN].cpu(), imputed.missing[:SHOWN].cpu()
    mean, draw = imputed.imputation.mean[:SHOWN].cpu(), imputed.imputation.draw[:SHOWN].cpu()
    if not is_picture((data := imputed.run.dataset).shape):
        drawn = in_standard_units(data)
        figure = _profiles(drawn(x), missing, drawn(mean), drawn(draw))
        label_profiles(figure, data)
        return figure
    figure = Figure(figsize=(10, 3.6))
    axis = figure.subplots()
    # A pixel of which a channel is missing has no colour to show.
    hidden = missing.any(1, keepdim=True).expand_as(x) if x.dim() == 4 else missing
    rows = torch.cat([x.masked_fill(hidden, torch.nan), mean, draw, x])
    axis.imshow(mosaic(rows, len(ROWS), len(x)), vmin=0, vmax=1)
    # Missing values and the lines between pictures are NaN: there the background shows.
    axis.set_facecolor(LIGHT)
    frame_rows_of_pictures(axis, ROWS, x.shape[-2])
    axis.set_title(f"{imputed.split} data with a part held back ({imputed.mask}), and filled in")
    return figure


def _profiles(x: Tensor, missing: Tensor, mean: Tensor, draw: Tensor) -> Figure:
    figure = Figure(figsize=(10, 3.6))
    axes = figure.subplots(2, 3, sharex=True, sharey=True).flat
    for axis, *columns in zip(axes, x, missing, mean, draw, strict=False):
        datum, lost, filled, drawn = (column.flatten() for column in columns)
        place = torch.arange(len(datum))
        held, hole = place[lost], {"markersize": 4, "color": MIDDLE}
        axis.plot(place[~lost], datum[~lost], "o", color=DARK, markersize=3, label="observed")
        axis.plot(held, datum[lost], "o", markerfacecolor="white", label="truth", **hole)
        axis.plot(held, drawn[lost], "x", label="a draw of x_mis", **hole)
        axis.plot(held, filled[lost], "_", color=ACCENT, markersize=9, label="E[x_mis | x_obs]")
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="outside upper center", ncols=4)
    return figure
