"""A two-dimensional latent space, decoded point by point."""

import torch
from matplotlib.figure import Figure

from evaluation.result import Evaluation
from evidence.structure import latent_sites
from experiment import Run
from report.figures.pictures import blank, expected_x, is_picture, mosaic

SIDE = 20
PRIOR_DRAWS = 4096


def manifold(run: Run, evaluation: Evaluation) -> Figure | None:
    """E[x|z] on a grid between the prior's 2 % and 98 % quantiles in each of two dimensions."""
    from pyro import poutine

    batch = blank(run, PRIOR_DRAWS)
    drawn = latent_sites(poutine.trace(run.model).get_trace(*batch))
    if len(drawn) != 1 or drawn[0]["value"].shape[1:] != (2,) or not is_picture(run.dataset.shape):
        return None
    z = drawn[0]["value"]
    steps = torch.linspace(0.02, 0.98, SIDE, device=z.device)
    across, up = (
        z[:, 0].quantile(steps),
        z[:, 1].quantile(steps.flip(0)),
    )  # images run down, axes run up
    grid = torch.stack([across.repeat(SIDE), up.repeat_interleave(SIDE)], dim=-1)
    means = expected_x(
        run.model, tuple(part[: SIDE**2] for part in batch), {drawn[0]["name"]: grid}
    )
    figure = Figure(figsize=(6.2, 6.2))
    axis = figure.subplots()
    axis.imshow(mosaic(means, SIDE, SIDE, border=1), vmin=0, vmax=1)
    places = [0, SIDE // 2, SIDE - 1]
    height, width = run.dataset.shape[-2] + 1, run.dataset.shape[-1] + 1
    axis.set_xticks(
        [(p + 0.5) * width for p in places], [f"{float(across[p]):.1f}" for p in places]
    )
    axis.set_yticks([(p + 0.5) * height for p in places], [f"{float(up[p]):.1f}" for p in places])
    axis.set_xlabel("z₁")
    axis.set_ylabel("z₂")
    axis.set_title("E[x | z] over the plane, 2 % to 98 % of the prior")
    return figure
