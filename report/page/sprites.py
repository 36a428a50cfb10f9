"""Many data in little space: pictures side by side in one sheet, or vectors as bytes."""

import base64
import io
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from report.figures.mosaic import is_picture
from report.page.content import LookContent, Sheet

# The side in pixels beyond which a picture is drawn smaller.
LARGEST_SIDE = 64
# How many values of a longer vector are drawn, evenly spaced.
LONGEST_PROFILE = 200
COLUMNS = 25
# Bytes of a sheet without loss. Natural images take more, and are compressed with a little loss.
MOST_PNG = 700_000


@dataclass(frozen=True)
class Look:
    """How any datum of one data set is drawn: as a picture, or as the profile of its values.

    `shape` is that of one datum; `low` and `high` are the ends of the grey scale or of the vertical
    axis.
    """

    shape: tuple[int, ...]
    low: float
    high: float

    @staticmethod
    def of(x: Float[Tensor, " N *shape"]) -> "Look":
        """Returns the look that suits the data `x`.

        The grey of pictures in [0, 1] goes from 0 to 1, and every other scale from the least value
        to the largest.
        """
        low, high = float(x.min()), float(x.max())
        if low >= 0 and high <= 1 and is_picture(x.shape[1:]):
            low, high = 0.0, 1.0
        return Look(tuple(x.shape[1:]), low, high if high > low else low + 1)

    @property
    def picture(self) -> bool:
        """Whether a datum is drawn as a picture, and not as a profile."""
        return is_picture(self.shape)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The (height, width) of a picture in pixels or the (length,) of a profile, as drawn."""
        if not self.picture:
            return (min(math.prod(self.shape), LONGEST_PROFILE),)
        factor = min(1.0, LARGEST_SIDE / max(self.shape[-2:]))
        return tuple(max(1, round(side * factor)) for side in self.shape[-2:])

    @property
    def note(self) -> str | None:
        """A sentence about what the drawing leaves out, if it leaves out anything."""
        if self.picture:
            height, width = self.shape[-2:]
            smaller = self.drawn != (height, width)
            return f"Pictures of {height}×{width} are drawn smaller." if smaller else None
        length = math.prod(self.shape)
        if self.drawn == (length,):
            return None
        return f"Of {length:,} dimensions, {LONGEST_PROFILE} are drawn, evenly spaced."

    @property
    def content(self) -> LookContent:
        """The look for the page's script."""
        return {
            "picture": self.picture,
            "drawn": self.drawn,
            "low": self.low,
            "high": self.high,
            "columns": None,
        }

    def addresses(self, x: Float[Tensor, " N *shape"]) -> list[str]:
        """Returns each of the pictures `x` by itself."""
        return [_address(_as_bytes(image.permute(1, 2, 0))) for image in self._images(x)]

    def sheet(self, x: Float[Tensor, " N *shape"]) -> Sheet:
        """Returns all of `x` as one sheet."""
        levels = self._levels(x)
        if not self.picture:
            last = levels[0].numel() - 1
            kept = torch.linspace(0, last, self.drawn[0], device=x.device).round().long()
            return {"bytes": _base64(_as_bytes(levels.flatten(1)[:, kept]).tobytes())}
        pixels = _as_bytes(_side_by_side(self._images(x)))
        return {"source": _address(pixels), "columns": COLUMNS}

    def _levels(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N *shape"]:
        return ((x.float() - self.low) / (self.high - self.low)).nan_to_num(0.5).clamp(0, 1)

    def _images(self, x: Float[Tensor, " N *shape"]) -> Float[Tensor, " N C H W"]:
        levels = self._levels(x)
        images = levels.unsqueeze(1) if levels.dim() == 3 else levels
        same = images.shape[-2:] == self.drawn
        return images if same else F.interpolate(images, self.drawn, mode="area")


def _side_by_side(images: Float[Tensor, " N C H W"]) -> Float[Tensor, " rows columns C"]:
    count, channels, height, width = images.shape
    rows = -(-count // COLUMNS)
    filled = F.pad(images, (0, 0, 0, 0, 0, 0, 0, rows * COLUMNS - count))
    grid = filled.reshape(rows, COLUMNS, channels, height, width).permute(0, 3, 1, 4, 2)
    return grid.reshape(rows * height, COLUMNS * width, channels)


def _as_bytes(levels: Tensor) -> np.ndarray:
    return (levels * 255).round().to(torch.uint8).cpu().numpy()


def _address(pixels: np.ndarray) -> str:
    # Grey pictures are ink on paper, as in every figure of a run.
    image = Image.fromarray(255 - pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    content, kind = io.BytesIO(), "png"
    image.save(content, "PNG", optimize=False)
    if content.tell() > MOST_PNG:
        content, kind = io.BytesIO(), "webp"
        image.save(content, "WEBP", quality=80)
    return f"data:image/{kind};base64,{_base64(content.getvalue())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
