"""A picture of any shape → squares of one size."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from pippin.pictures.bars import find_bars
from pippin.pictures.channels import GREY, RGB, RGBA, to_rgb
from pippin.pictures.decoding import MIN_SIDE
from pippin.pictures.preparation import BLUR, Preparation

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


def squares_of(
    picture: Image.Image, image_size: int, preparation: Preparation, trim: bool
) -> tuple[np.ndarray, list[str]]:
    """Makes squares of a picture.

    Args:
        picture: In mode RGB or RGBA.
        image_size: Side of the squares in pixels.
        preparation: What to do.
        trim: Whether to trim padding bars.

    Returns:
        uint8 of shape `(n, image_size, image_size, 3)`, n at least 1, and what was mended; of 4 channels where
        transparency is kept, all of them 0 where nothing is seen.
    """
    picture = _in_mode(picture, preparation)
    box, reasons = Box(0, 0, *picture.size), []
    if trim and not preparation.keep_borders:
        bars = find_bars(to_rgb(np.asarray(picture)))
        trimmed = Box(bars.left, bars.top, box.right - bars.right, box.bottom - bars.bottom)
        if trimmed != box and trimmed.shorter_side >= MIN_SIDE:
            box, reasons = trimmed, [f"padding bars trimmed ({bars})"]

    def resized(part: Box, width: int, height: int) -> Image.Image:
        return picture.resize((width, height), Image.Resampling.LANCZOS, part, reducing_gap=3)

    if preparation.fit == "crop":
        made = [resized(square, image_size, image_size) for square in crops(box, preparation.crops)]
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


def _in_mode(picture: Image.Image, preparation: Preparation) -> Image.Image:
    """Returns a picture with the channels that were asked for, a grey one in RGB. Pillow resizes RGBA premultiplied."""
    if preparation.channels == GREY:
        return picture.convert("L").convert("RGB")
    mode = "RGBA" if preparation.channels == RGBA else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def crops(box: Box, most: int) -> list[Box]:
    """Returns the largest squares in a box, spread along its longer side: one in the middle, or several.

    Args:
        box: Where to cut them from.
        most: How many there may be; fewer where they would overlap by more than half.
    """
    side = box.shorter_side
    across, down = box.right - box.left - side, box.bottom - box.top - side
    count = min(most, 1 + int((across + down) / (SHIFT * side)))
    made = []
    for n in range(count):
        share = n / (count - 1) if count > 1 else 0.5
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
