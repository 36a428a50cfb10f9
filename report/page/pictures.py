"""Figures inside a page."""

import base64
import io
import math
import struct

# Pixels of a picture that is opened; a larger one is left out.
MOST_PIXELS = 50_000_000
# Pixels along a picture that is drawn smaller.
LONGEST_SIDE = 900
# From this width on, as a multiple of the height, a picture needs the whole width of a page.
WIDE = 2.4


def is_wide(png: bytes) -> bool:
    """Whether a PNG is so wide that its words are too small on half a page."""
    width, height = struct.unpack(">II", png[16:24])
    return bool(width > WIDE * height)


def picture(png: bytes, most: int) -> str:
    """Returns a picture as a data: address, or an empty string if it cannot be opened.

    A picture of more than `most` bytes is drawn smaller, so that a page of many runs stays light.
    """
    if len(png) > most:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as original:
                if original.width * original.height > MOST_PIXELS:
                    return ""
                small = original.convert("RGB")
                # Means of whole squares of pixels are quicker than any other way, and as sharp.
                small = small.reduce(math.ceil(max(small.size) / LONGEST_SIDE))
                buffer = io.BytesIO()
                # Method 2 takes half the time of the default, for files a tenth larger.
                small.save(buffer, "WEBP", quality=80, method=2)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return ""
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return "data:image/png;base64," + base64.b64encode(png).decode()
