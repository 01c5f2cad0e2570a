"""Images as PNG files, and sheets of images reduced for small screens."""

import io
import warnings

import numpy as np
from PIL import Image

from pippin.errors import RunError
from pippin.runs.snapshots import sheet_side
from pippin.settings import IMAGE_SIZES

MAX_PIXELS = sheet_side(IMAGE_SIZES[-1]) ** 2
"""Largest number of pixels of a sheet."""


def reduced_sheet(contents: bytes, side: int) -> bytes:
    """Return a PNG whose width is at most `side` pixels.

    Raises:
        RunError: it is damaged, or too large.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(contents), formats=["PNG"]) as picture:
            if picture.width <= side:
                return contents
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("it is too large")
            height = max(1, round(picture.height * side / picture.width))
            reduced = picture.convert("RGB").resize((side, height), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as problem:
        raise RunError(f"A picture of the run is damaged ({problem}).") from None
    return _saved(reduced)


def encoded(image: np.ndarray) -> bytes:
    """Return an image, uint8 (H, W, C), as a PNG."""
    return _saved(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image))


def _saved(picture: Image.Image) -> bytes:
    """Return a picture as a PNG, compressed quickly."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
