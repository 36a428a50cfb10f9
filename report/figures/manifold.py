"""A two-dimensional latent space, decoded point by point."""

from matplotlib.figure import Figure

from evaluation.exploration import manifold_of
from evaluation.result import Evaluation
from experiment import Run
from report.figures.mosaic import is_picture, mosaic

SIDE = 20


def manifold(run: Run, evaluation: Evaluation) -> Figure | None:
    """Draws E[x|z] between the prior's 2 % and 98 % quantiles in each of two dimensions."""
    if not is_picture(run.dataset.shape):
        return None
    found = manifold_of(run.model, run.dataset, SIDE)
    if found is None:
        return None
    figure = Figure(figsize=(6.2, 6.2))
    axis = figure.subplots()
    axis.imshow(mosaic(found.means, SIDE, SIDE), vmin=0, vmax=1)
    cells = [0, SIDE // 2, SIDE - 1]
    height, width = run.dataset.shape[-2] + 1, run.dataset.shape[-1] + 1
    across, up = found.across.tolist(), found.up.tolist()
    axis.set_xticks([(c + 0.5) * width for c in cells], [f"{across[c]:.1f}" for c in cells])
    axis.set_yticks([(c + 0.5) * height for c in cells], [f"{up[c]:.1f}" for c in cells])
    axis.set_xlabel("z₁")
    axis.set_ylabel("z₂")
    axis.set_title("E[x | z] over the plane, 2 % to 98 % of the prior")
    return figure
