"""Figures inside a page."""

import base64
import io


def picture(png: bytes, most: int) -> str:
    """As a data: address; drawn smaller where it has more than `most` bytes, so that a page of many runs stays light."""
    if len(png) > most:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(png), formats=["PNG"]) as original:
                if original.width * original.height > 50_000_000:
                    return ""
                small = original.convert("RGB")
                small.thumbnail((900, 900))
                buffer = io.BytesIO()
                small.save(
                    buffer, "WEBP", quality=80, method=2
                )  # half the time of the default, a tenth larger
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return ""
        return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return "data:image/png;base64," + base64.b64encode(png).decode()
