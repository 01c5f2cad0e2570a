"""A picture of any shape → squares of one size."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from pippin.pictures.bars import find_bars
from pippin.pictures.channels import GREY, RGB, RGBA, to_rgb
from pippin.pictures.decoding import MIN_SIDE, Decoded
from pippin.pictures.focus import MIDDLE, focus
from pippin.pictures.preparation import BLUR, Preparation

ENOUGH = 2
"""Of the squares' side: a larger picture may be decoded at a smaller scale, with this left of what is not padding.

At twice the side, 60 photographs of apples at 64×64 came within 47 dB of what their full size gives, with exact
extents; here the last part of a pixel is cut off instead, which was not measured."""

RESAMPLING = Image.Resampling.BICUBIC
"""As Pillow does it, averaging over all pixels that become one: what clean FID resizes with (arXiv 2104.11222). Lanczos
takes half as long again, and draws lighter and darker lines along sharp edges."""

SHIFT = 0.5
"""Of a square's side: how far several crops of one picture lie apart at the least."""

BLURRED = 1 / 12
"""Of a square's side: how far the colours of a blurred background run."""


class Box(NamedTuple):
    """A rectangle in pixels: left and top inside, right and bottom just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shorter_side(self) -> int:
        """The smaller of width and height."""
        return min(self.right - self.left, self.bottom - self.top)


def read_trimmed(
    read: Callable[[int], Decoded], image_size: int, preparation: Preparation, trim: bool
) -> tuple[Decoded, Box, list[str]]:
    """Reads a picture at no larger a scale than its squares need, and finds what there is of it without padding bars.

    Args:
        read: Reads it, so that its shorter side has at least as many pixels as it is given, where there are so many.
        image_size: Side of the squares in pixels.
        preparation: What to do.
        trim: Whether this kind of source may have bars.

    Returns:
        The picture, where in it the picture is, and what was mended.

    Raises:
        Refused: By `read`.
    """
    enough = ENOUGH * image_size
    decoded = _in_mode(read(enough), preparation)
    box, reasons = trimmed(decoded.image, preparation, trim)
    side, whole = min(decoded.image.size), min(decoded.width, decoded.height)
    if box.shorter_side < enough and side < whole:  # too little is left at this scale
        decoded = _in_mode(read(enough * side // box.shorter_side + 1), preparation)
        box, reasons = trimmed(decoded.image, preparation, trim)
    return decoded, box, reasons


def trimmed(picture: Image.Image, preparation: Preparation, trim: bool) -> tuple[Box, list[str]]:
    """Finds what there is of a picture without padding bars.

    Args:
        picture: In mode RGB or RGBA.
        preparation: What to do.
        trim: Whether this kind of source may have bars.

    Returns:
        Where the picture is in the picture, and what was mended.
    """
    whole = Box(0, 0, *picture.size)
    if trim and not preparation.keep_borders:
        bars = find_bars(to_rgb(np.asarray(picture)))
        box = Box(bars.left, bars.top, whole.right - bars.right, whole.bottom - bars.bottom)
        if box != whole and box.shorter_side >= MIN_SIDE:
            return box, [f"padding bars trimmed ({bars})"]
    return whole, []


def squares_of(
    picture: Image.Image, box: Box, image_size: int, preparation: Preparation
) -> tuple[np.ndarray, list[str]]:
    """Makes squares of a picture.

    Args:
        picture: In mode RGB or RGBA.
        box: Which part of it counts.
        image_size: Side of the squares in pixels.
        preparation: What to do.

    Returns:
        uint8 of shape `(n, image_size, image_size, 3)`, n at least 1, and what is to be said of it; of 4 channels where
        transparency is kept, all of them 0 where nothing is seen.
    """
    reasons = []

    def resized(part: Box, width: int, height: int) -> Image.Image:
        return picture.resize((width, height), RESAMPLING, part, reducing_gap=3)

    if preparation.fit == "crop":
        where = focus(picture, box) if preparation.focus == "auto" else MIDDLE
        boxes = crops(box, preparation.crops, where)
        if boxes != crops(box, preparation.crops):
            reasons = ["square taken beside the middle, where more is to be seen"]
        made = [resized(square, image_size, image_size) for square in boxes]
    elif preparation.fit == "squash" or box.shorter_side == max(box.right - box.left, box.bottom - box.top):
        made = [resized(box, image_size, image_size)]
    else:
        scale = image_size / max(box.right - box.left, box.bottom - box.top)
        width, height = (max(1, round(scale * side)) for side in (box.right - box.left, box.bottom - box.top))
        made = [_padded(resized(box, width, height), image_size, preparation)]
    squares = np.stack([np.asarray(square) for square in made])
    if squares.shape[-1] == RGBA:
        squares = squares * (squares[..., RGB:] > 0)
    return squares, reasons


def _in_mode(decoded: Decoded, preparation: Preparation) -> Decoded:
    """Returns a picture with the channels that were asked for, a grey one in RGB. Pillow resizes RGBA premultiplied."""
    picture = decoded.image
    if preparation.channels == GREY:
        return decoded._replace(image=picture.convert("L").convert("RGB"))
    mode = "RGBA" if preparation.channels == RGBA else "RGB"
    return decoded if picture.mode == mode else decoded._replace(image=picture.convert(mode))


def crops(box: Box, most: int, where: float = MIDDLE) -> list[Box]:
    """Returns the largest squares in a box, spread along its longer side: one, or several.

    Args:
        box: Where to cut them from.
        most: How many there may be; fewer where they would overlap by more than half.
        where: The place of a single one, 0 to 1 along the longer side.
    """
    side = box.shorter_side
    across, down = box.right - box.left - side, box.bottom - box.top - side
    count = min(most, 1 + int((across + down) / (SHIFT * side)))
    made = []
    for n in range(count):
        share = n / (count - 1) if count > 1 else where
        left, top = box.left + int(share * across), box.top + int(share * down)
        made.append(Box(left, top, left + side, top + side))
    return made


def _padded(picture: Image.Image, image_size: int, preparation: Preparation) -> Image.Image:
    """Puts a picture in the middle of a square."""
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", (image_size, image_size))
    elif preparation.background == BLUR:
        ground = picture.resize((image_size, image_size)).filter(ImageFilter.GaussianBlur(BLURRED * image_size))
    else:
        ground = Image.new("RGB", (image_size, image_size), preparation.colour())
    ground.paste(picture, ((image_size - picture.width) // 2, (image_size - picture.height) // 2))
    return ground
