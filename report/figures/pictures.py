"""What a pair makes of data and of its prior, as arrays to look at. Works on any pair the evidence works on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pyro import poutine
from torch import Tensor

from evidence.batch import Data as Batch
from evidence.structure import observed_site
from evidence.weights import as_batch, draw, repeat_rows
from experiment import Run

Program = Callable[..., Any]


def expected_x(model: Program, batch: Batch, latents: dict[str, Tensor]) -> Tensor:
    """E[x|z] (N, *shape) at the given latents (N, latent); of x in `batch` only the number matters, not the values."""
    trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(*as_batch(batch))
    return observed_site(trace, latents)["fn"].mean


def reconstruct(model: Program, guide: Program, batch: Batch, particles: int = 32) -> Tensor:
    """E_q[E[x|z]] (N, *shape): what the model expects of x after it has seen x."""
    drawn = draw(model, guide, as_batch(batch), particles)
    latents = {name: value.flatten(0, 1) for name, value in drawn.latents.items()}
    means = expected_x(
        model, tuple(repeat_rows(part, particles) for part in as_batch(batch)), latents
    )
    return means.unflatten(0, (particles, -1)).mean(0)


def posterior_means(
    model: Program, guide: Program, batch: Batch, particles: int = 32
) -> dict[str, Tensor]:
    """E_q[z] (N, latent) by site name."""
    blocks = zip(*(part.split(500) for part in as_batch(batch)), strict=True)
    parts = [draw(model, guide, block, particles).latents for block in blocks]
    return {name: torch.cat([part[name].mean(0) for part in parts]) for name in parts[0]}


def generate(run: Run, count: int) -> Tensor:
    """E[x|z] (count, *shape) at z ~ p(z); given labels, they take turns."""
    trace = poutine.trace(poutine.uncondition(run.model)).get_trace(*blank(run, count))
    likelihood: Any = trace.nodes["x"]["fn"]
    return likelihood.mean


def blank(run: Run, count: int) -> tuple[Tensor, ...]:
    """A batch of `count` data that are all zero, with labels in turn where the model is given labels."""
    example = as_batch(run.data("train")[:1])
    columns = [torch.zeros(count, *example[0].shape[1:], device=example[0].device)]
    labels = run.data("train").labels
    if len(example) > 1 and labels is not None:
        columns.append(torch.arange(count, device=labels.device) % (int(labels.max()) + 1))
    return tuple(columns)


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether one datum is an image: (H, W), (1, H, W) or (3, H, W)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def mosaic(images: Tensor, rows: int, columns: int, border: int = 1) -> np.ndarray:
    """Images (rows·columns, *shape), row by row, as one array (H, W) or (H, W, 3), scaled to [0, 1]; grey ones have
    NaN between them, and where they are NaN themselves."""
    images = images.detach().float().cpu()
    if images.dim() == 3:
        images = images.unsqueeze(1)
    drawn = images[~images.isnan()]
    low, high = float(drawn.min()), float(drawn.max())
    low, high = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    images = (images - low) / max(high - low, 1e-12)
    framed = torch.nn.functional.pad(images, (0, border, 0, border), value=torch.nan)
    _, channels, height, width = framed.shape
    grid = framed.reshape(rows, columns, channels, height, width).permute(0, 3, 1, 4, 2)
    grid = grid.reshape(rows * height, columns * width, channels)[:-border, :-border]
    return grid.squeeze(-1).numpy() if channels == 1 else torch.nan_to_num(grid, 1.0).numpy()
