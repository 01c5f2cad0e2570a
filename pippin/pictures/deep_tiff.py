"""TIFFs of colours that Pillow does not read: floating-point ones, as photographers and laboratories write them."""

import logging
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from pippin.pictures.colour import Refused, to_levels

ORIENTATION = 274  # the number of the tag
CHANNELS = (3, 4)


def read_deep_tiff(file: Path | BinaryIO, most_pixels: int, enough: int) -> tuple[Image.Image, int, int] | None:
    """Reads the first page of a TIFF of floating-point or deep colour.

    Args:
        file: The file's path, or its content.
        most_pixels: What it may have, before it is decoded.
        enough: A side in pixels that suffices: of a larger picture, blocks of pixels are averaged.

    Returns:
        The picture in mode RGB or RGBA, with its orientation, and width and height as they were; None where it is no
        such TIFF.

    Raises:
        Refused: If it has more pixels, or values that are not finite.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # its complaints are not for standard error
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
        if height * width > most_pixels:
            raise Refused(f"too large: {width}×{height} is more than {most_pixels:,} pixels")
        values = page.asarray(maxworkers=1)
        orientation = page.tags.valueof(ORIENTATION, 1)
    if values.shape == (page.samplesperpixel, height, width):  # one plane a channel
        values = np.moveaxis(values, 0, -1)
    if values.shape != (height, width, page.samplesperpixel):
        return None
    picture = Image.fromarray(_levels(_averaged(values, enough)))
    picture.getexif()[ORIENTATION] = orientation
    return picture, width, height


def _averaged(values: np.ndarray, enough: int) -> np.ndarray:
    """Averages whole blocks of pixels, as long as both sides stay above what is enough."""
    factor = max(1, min(values.shape[:2]) // enough)
    height, width, channels = values.shape
    cut = values[: height // factor * factor, : width // factor * factor]
    return cut.reshape(height // factor, factor, width // factor, factor, channels).mean((1, 3), dtype=np.float64)


def _levels(values: np.ndarray) -> np.ndarray:
    """Scales colours, all channels alike, and an opacity by itself."""
    colours = to_levels(values[..., :3], (1.0, 255.0, 65535.0))
    if values.shape[2] == 3:
        return colours
    return np.concatenate([colours, to_levels(values[..., 3:], (1.0, 255.0, 65535.0))], axis=-1)
