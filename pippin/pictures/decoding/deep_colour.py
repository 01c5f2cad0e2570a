"""Colours of 16 bits in PNG and TIFF files, of which Pillow reads only one byte at a time: the upper one by default."""

import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from pippin.pictures.decoding.depth import MOST_BITS, bits_for, to_levels

LARGE, LITTLE, NATIVE = ";16B", ";16L", ";16N"
"""Ends of Pillow's raw modes of several channels of 16 bits: big-endian, little-endian, and this processor's order."""

FORMATS = "PNG", "TIFF"
"""Formats of which the lower bytes are read. Of others, and of animations, the upper bytes are all that is used."""

BITS_PER_SAMPLE, PLANAR_CONFIGURATION, SEPARATE = 258, 284, 2
"""Numbers of TIFF tags, and the value of the second one for a plane for each channel."""


def raw_mode(image: Image.Image) -> str:
    """Return how Pillow calls the layout of a picture's values in its file; "" if it has no name for it."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    args = tiles[0].args
    return str(args if isinstance(args, str) else args[0] if args else "")


def is_deep(layout: str) -> bool:
    """Return whether a raw mode stands for several channels of 16 bits."""
    return layout.endswith((LARGE, LITTLE, NATIVE))


def has_deep_planes(image: Image.Image) -> bool:
    """Return whether a picture is a TIFF with a plane of 16 bits for each channel, of which Pillow cannot read the
    lower bytes. If the planes are not compressed, it reads each byte as a pixel."""
    tags = getattr(image, "tag_v2", {})
    return MOST_BITS in tags.get(BITS_PER_SAMPLE, ()) and tags.get(PLANAR_CONFIGURATION) == SEPARATE


def read_deep_colour(
    image: Image.Image, layout: str, source: Path | BinaryIO, bits: int | None
) -> tuple[Image.Image, float]:
    """Return a picture with colours of 16 bits rounded to 8 bits, and its highest value.

    Args:
        image: The loaded picture, which holds the upper bytes.
        layout: Its raw mode before it was loaded.
        source: The picture's file, which is read again for the lower bytes.
        bits: See `pippin.pictures.decoding.depth.to_levels`.
    """
    values = _values(image, layout, source)
    alpha = values.pop() if image.mode in ("RGBA", "LA") else None
    highest = float(max(int(channel.max()) for channel in values))
    levels = to_levels(np.arange(2**MOST_BITS), bits or bits_for(highest))
    channels = [levels[channel] for channel in values]
    if alpha is not None:
        channels.append(to_levels(np.arange(2**MOST_BITS), MOST_BITS)[alpha])
    if layout.startswith("LA") and image.mode == "RGBA":  # as which Pillow loads it
        channels = [channels[0]] * 3 + channels[1:]
    rounded = Image.merge(image.mode, [Image.fromarray(channel) for channel in channels])
    rounded.info = image.info.copy()  # the colour profile and the orientation
    return rounded, highest


def _values(image: Image.Image, layout: str, source: Path | BinaryIO) -> list[np.ndarray]:
    """Return the values of each channel in the file, uint16 (H, W)."""
    if image.format not in FORMATS or getattr(image, "is_animated", False):
        return [np.asarray(channel).astype(np.uint16) * 257 for channel in image.split()]
    if layout.startswith("LA"):  # a pixel has as many bytes as one of RGBA with 8 bits
        upper, lower, upper_alpha, lower_alpha = (np.asarray(band) for band in _loaded_as(source, "RGBA").split())
        return [_joined(upper, lower), _joined(upper_alpha, lower_alpha)]
    ends_lower = layout.endswith(LITTLE) or (layout.endswith(NATIVE) and sys.byteorder == "little")
    other = _loaded_as(source, layout[: -len(LARGE)] + (LARGE if ends_lower else LITTLE))
    return [
        _joined(np.asarray(upper), np.asarray(lower)) for upper, lower in zip(image.split(), other.split(), strict=True)
    ]


def _joined(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return 16-bit values of their bytes."""
    return upper.astype(np.uint16) << 8 | lower


def _loaded_as(source: Path | BinaryIO, layout: str) -> ImageFile.ImageFile:
    """Read a picture as if its values had another layout."""
    if not isinstance(source, Path):
        source.seek(0)
    with Image.open(source) as image:
        image.tile = [
            tile._replace(args=layout if isinstance(tile.args, str) else (layout, *(tile.args or ())[1:]))
            for tile in image.tile
        ]
        image.load()
    return image
