"""TIFFs with colours that Pillow does not read: floating-point values, from photography and from laboratories."""

import logging
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from pippin.pictures.decoding.depth import highest_value, to_levels
from pippin.pictures.refused import Refused

ORIENTATION = 274
"""Number of the TIFF tag."""

CHANNELS = (3, 4)
"""Numbers of samples of a pixel that are read: RGB and RGBA."""


class DeepPicture(NamedTuple):
    """A picture of deep colour.

    Args:
        image: The picture in mode RGB or RGBA, with its orientation.
        width: Its width in the file, in pixels.
        height: Its height in the file, in pixels.
        highest: Its highest value, if the number of bits decides which value is white.
    """

    image: Image.Image
    width: int
    height: int
    highest: float | None


def read_deep_tiff(
    file: Path | BinaryIO, max_pixels: int, needed_side: int, bits: int | None = None
) -> DeepPicture | None:
    """Read the first page of a TIFF of floating-point or deep colour.

    Args:
        file: The file's path, or its content.
        max_pixels: Largest number of pixels, checked before the page is decoded.
        needed_side: The least shorter side in pixels. Blocks of pixels of a larger picture are averaged.
        bits: See `pippin.pictures.decoding.depth.to_levels`.

    Returns:
        The picture; None if it is not such a TIFF.

    Raises:
        Refused: If it has more pixels, or values that are not finite.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # keeps its warnings off standard error
    with tifffile.TiffFile(file) as tiff:
        page: Any = tiff.pages[0]
        height, width = page.imagelength, page.imagewidth
        if (
            page.samplesperpixel not in CHANNELS
            or page.imagedepth != 1
            or page.dtype is None
            or page.dtype.kind not in "fiu"
        ):
            return None
        if height * width > max_pixels:
            raise Refused(f"too large: {width}×{height} is more than {max_pixels:,} pixels")
        values = page.asarray(maxworkers=1)
        orientation = page.tags.valueof(ORIENTATION, 1)
    if values.shape == (page.samplesperpixel, height, width):  # one plane for each channel
        values = np.moveaxis(values, 0, -1)
    if values.shape != (height, width, page.samplesperpixel):
        return None
    averaged = _averaged(values, needed_side)
    picture = Image.fromarray(_levels(averaged if values.dtype.kind == "f" else np.rint(averaged).astype(int), bits))
    picture.getexif()[ORIENTATION] = orientation
    return DeepPicture(picture, width, height, highest_value(values[..., :3]))


def _averaged(values: np.ndarray, needed_side: int) -> np.ndarray:
    """Average whole blocks of pixels, as large as `needed_side` allows."""
    factor = max(1, min(values.shape[:2]) // needed_side)
    height, width, channels = values.shape
    cut = values[: height // factor * factor, : width // factor * factor]
    return cut.reshape(height // factor, factor, width // factor, factor, channels).mean((1, 3), dtype=np.float64)


def _levels(values: np.ndarray, bits: int | None) -> np.ndarray:
    """Return 8-bit levels. The three colours share one range, and the opacity has its own."""
    colours = to_levels(values[..., :3], bits)
    return colours if values.shape[2] == 3 else np.concatenate([colours, to_levels(values[..., 3:], None)], axis=-1)
