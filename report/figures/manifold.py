"""A two-dimensional latent space, decoded point by point."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data import Dataset
from evaluation.exploration import Manifold, manifolds_of
from evaluation.measured import typeset
from evaluation.result import Evaluation
from experiment import Run
from report.figures.mosaic import is_picture, mosaic
from report.figures.style import plain

SIDE = 20
# Where there is a panel for every label: cells along a side, and panels in a row.
SIDE_GIVEN, IN_A_ROW = 8, 5
# The letters of a label that are shown.
LONGEST = 12


def manifold(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws E[x|z] between the prior's 2 % and 98 % quantiles in each of two dimensions.

    A model that is given labels has a panel for each.
    """
    if not is_picture(run.dataset.shape):
        return None
    found = manifolds_of(run.model, run.dataset, SIDE, SIDE_GIVEN)
    if not found:
        return None
    rows = -(-len(found) // IN_A_ROW)
    columns = -(-len(found) // rows)
    figure = Figure(figsize=(6.2, 6.2) if rows * columns == 1 else (2 * columns, 2.2 * rows + 0.5))
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, shown in zip(axes, found, strict=False):
        _panel(axis, shown, run.dataset)
    for axis in figure.axes[len(found) :]:
        axis.set_axis_off()
    what = "E[x | z]" if found[0].label is None else "E[x | z, y]"
    figure.supxlabel("z₁", fontsize=10)
    figure.supylabel("z₂", fontsize=10)
    figure.suptitle(f"{what} over the plane, 2 % to 98 % of the prior", fontsize=11)
    return figure


def _panel(axis: Axes, shown: Manifold, data: Dataset) -> None:
    side = len(shown.across)
    axis.imshow(mosaic(shown.means, side, side), vmin=0, vmax=1)
    height, width = data.shape[-2] + 1, data.shape[-1] + 1
    cells = [0, side // 2, side - 1] if shown.label is None else [0, side - 1]
    across, up = shown.across.tolist(), shown.up.tolist()
    axis.set_xticks([(c + 0.5) * width for c in cells], [_place(across[c]) for c in cells])
    axis.set_yticks([(c + 0.5) * height for c in cells], [_place(up[c]) for c in cells])
    if shown.label is not None:
        axis.tick_params(labelsize=7)
        axis.set_title(f"y = {plain(str(data.classes[shown.label])[:LONGEST])}", fontsize=9)


def _place(value: float) -> str:
    """Returns a coordinate with one decimal, and 0 without a sign."""
    return typeset(f"{round(value, 1) + 0.0:.1f}")
