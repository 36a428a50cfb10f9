"""Many pictures in one array, to look at."""

import numpy as np
import torch
from torch import Tensor


def is_picture(shape: tuple[int, ...]) -> bool:
    """Returns whether one datum is an image: (H, W), (1, H, W) or (3, H, W)."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def mosaic(images: Tensor, rows: int, columns: int, border: int = 1) -> np.ndarray:
    """Returns images (rows·columns, *shape), row by row, as one array in [0, 1].

    The array is (H, W) for grey pictures, which have NaN between them and where they are NaN
    themselves, and (H, W, 3) for pictures in colour.
    """
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
