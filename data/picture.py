"""One image file as bytes: grey levels 0..255 as they are stored, or a refusal."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from PIL.ImageFile import _Tile as Tile

# Pillow opens a file by its content, whatever its name, and some formats run an external program:
# no other format is ever tried.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
# Modes of one byte a channel, which become grey or red, green and blue without a loss.
MODES = ("1", "L", "P", "RGB")
EXTRA_SAMPLES = 338  # the TIFF tag of channels beyond the colours


def read_picture(file: Path, size: int | None, grey: bool) -> np.ndarray:
    """Returns one image, (H, W) if `grey` and else (3, H, W), uint8.

    Colours become grey by the weights of ITU-R 601; grey becomes three equal channels.

    Raises:
        ValueError: the file cannot be read as an image, or holds what bytes cannot; the message is
            what is wrong with it.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=FORMATS) as opened:
            misfit = _misfit(opened)
            image = None if misfit else ImageOps.exif_transpose(opened)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be read as an image ({type(error).__name__})") from error
    if image is None:
        raise ValueError(misfit)
    image = image.convert("L" if grey else "RGB")
    if size is not None:
        smaller = min(image.size) >= size
        scaling = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
        image = ImageOps.fit(image, (size, size), scaling)
    values = np.asarray(image)
    return values if grey else values.transpose(2, 0, 1)


def _misfit(image: "ImageFile") -> str | None:
    """Says why `image` is not made of bytes alone, and what to do; None if it is."""
    from PIL.TiffImagePlugin import TiffImageFile

    if image.mode[0] in "IF" or any(_is_deep(tile) for tile in image.tile):
        return (
            f"more than 8 bits a channel (mode {image.mode}); save it with 8, or all images as "
            "one array for data=arrays"
        )
    extra = isinstance(image, TiffImageFile) and EXTRA_SAMPLES in image.tag_v2
    if "transparency" in image.info or image.mode[-1] in "Aa" or extra:
        return "transparency, which has no grey level; paste it onto a background first"
    if image.mode not in MODES:
        return f"colours of mode {image.mode}; convert it to RGB"
    # A phone's or a stereo camera's picture has further versions of itself behind it.
    if image.format != "MPO" and _has_second(image):
        return "several frames; save one image a file"
    return None


def _is_deep(tile: "Tile") -> bool:
    """Whether Pillow would cut what the file holds down to a byte, as it does with RGB of 16 bits.

    `tile` names the raw mode, such as RGB;16B, and of a netpbm file the largest value.
    """
    raw, *others = tile.args if isinstance(tile.args, tuple) else (tile.args,)
    if tile.codec_name.startswith("ppm"):
        return bool(others and others[-1] > 255)
    return re.search(r"(?<!BGR);(12|16|32)[BLNS]?$", str(raw)) is not None


def _has_second(image: "ImageFile") -> bool:
    try:
        image.seek(1)
    except EOFError:
        image.seek(0)
        return False
    return True
