"""Data with a part held back, beside what was put in its place."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from evaluation.imputation import Imputed
from report.figures.pictures import is_picture, mosaic
from report.figures.style import ACCENT, DARK, LIGHT, MIDDLE

SHOWN = 12


def imputations(imputed: Imputed) -> Figure:
    """Observed, E[x_mis|x_obs], one draw from p(x_mis|x_obs), and the truth; vectors as profiles."""
    x, missing = imputed.x[:SHOWN].cpu(), imputed.missing[:SHOWN].cpu()
    mean, draw = imputed.imputation.mean[:SHOWN].cpu(), imputed.imputation.draw[:SHOWN].cpu()
    if not is_picture(imputed.run.dataset.shape):
        return _profiles(x, missing, mean, draw)
    figure = Figure(figsize=(10, 3.6))
    axis = figure.subplots()
    rows = ("observed", "E[x_mis | x_obs]", "a draw of x_mis", "truth")
    axis.imshow(
        mosaic(torch.cat([x.masked_fill(missing, torch.nan), mean, draw, x]), len(rows), len(x)),
        vmin=0,
        vmax=1,
    )
    axis.set_facecolor(LIGHT)  # what is missing, and the lines between pictures, are NaN: not drawn
    height = x.shape[-2] + 1
    axis.set_yticks([(row + 0.5) * height for row in range(len(rows))], rows)
    axis.set_xticks([])
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(f"{imputed.split} data with a part held back ({imputed.mask}), and filled in")
    return figure


def _profiles(x: Tensor, missing: Tensor, mean: Tensor, draw: Tensor) -> Figure:
    figure = Figure(figsize=(10, 3.6))
    for axis, *columns in zip(
        figure.subplots(2, 3, sharex=True, sharey=True).flat, x, missing, mean, draw, strict=False
    ):
        datum, lost, filled, drawn = (column.flatten() for column in columns)
        place = torch.arange(len(datum))
        axis.plot(place[~lost], datum[~lost], "o", color=DARK, markersize=3, label="observed")
        axis.plot(
            place[lost],
            datum[lost],
            "o",
            color=MIDDLE,
            markersize=4,
            markerfacecolor="white",
            label="truth",
        )
        axis.plot(
            place[lost], drawn[lost], "x", color=MIDDLE, markersize=4, label="a draw of x_mis"
        )
        axis.plot(
            place[lost], filled[lost], "_", color=ACCENT, markersize=9, label="E[x_mis | x_obs]"
        )
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=4
    )
    figure.supxlabel("dimension")
    figure.supylabel("value")
    return figure
