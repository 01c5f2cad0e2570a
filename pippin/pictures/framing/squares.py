"""A picture of any shape → squares of one size."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from pippin.pictures.channels import GREY, RGB, RGBA, to_rgb
from pippin.pictures.decoding.picture import MIN_SIDE, Decoded
from pippin.pictures.framing.bars import find_bars
from pippin.pictures.framing.focus import CENTRE, focus_position
from pippin.pictures.preparation import BLUR, Preparation

OVERSAMPLING = 2
"""Least scale at which a picture is decoded, relative to the squares, not counting padding bars.

At twice the side, 60 photographs of apples at 64×64 were within 47 dB of what their full size gives, when the extents
were exact. Here a partial pixel at the end is cut off instead, which was not measured."""

RESAMPLING = Image.Resampling.BICUBIC
"""Pillow's bicubic filter, which averages over all pixels that become one: the filter of clean FID (arXiv 2104.11222).
Lanczos takes half as long again, and adds lighter and darker lines along sharp edges."""

MIN_STEP = 0.5
"""Least distance between two crops of one picture, as a share of a square's side, so that they overlap by at most
half."""

BACKGROUND_BLUR = 1 / 12
"""Standard deviation of the blur of a background, as a share of a square's side. It leaves the colours and hides the
shapes."""


class Box(NamedTuple):
    """A rectangle in pixels. Left and top are inclusive, right and bottom exclusive."""

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
    """Read a picture at no larger a scale than its squares need, and find the part without padding bars.

    Args:
        read: Reads the picture. It gets the least shorter side in pixels.
        image_size: Side of the squares in pixels.
        preparation: How pictures are prepared.
        trim: Whether pictures of this source may have padding bars.

    Returns:
        The picture, the box without padding bars, and what was repaired.

    Raises:
        Refused: By `read`.
    """
    needed_side = OVERSAMPLING * image_size
    decoded = _with_channels(read(needed_side), preparation)
    box, reasons = find_content(decoded.image, preparation, trim)
    side, full_side = min(decoded.image.size), min(decoded.width, decoded.height)
    if box.shorter_side < needed_side and side < full_side:  # the bars leave too little at this scale
        decoded = _with_channels(read(needed_side * side // box.shorter_side + 1), preparation)
        box, reasons = find_content(decoded.image, preparation, trim)
    return decoded, box, reasons


def find_content(picture: Image.Image, preparation: Preparation, trim: bool) -> tuple[Box, list[str]]:
    """Find the part of a picture without padding bars.

    Args:
        picture: In mode RGB or RGBA.
        preparation: How pictures are prepared.
        trim: Whether pictures of this source may have padding bars.

    Returns:
        The box without padding bars, and what was repaired.
    """
    whole = Box(0, 0, *picture.size)
    if trim and not preparation.keep_borders:
        bars = find_bars(to_rgb(np.asarray(picture)))
        box = Box(bars.left, bars.top, whole.right - bars.right, whole.bottom - bars.bottom)
        if box != whole and box.shorter_side >= MIN_SIDE:
            return box, [f"padding bars trimmed ({bars})"]
    return whole, []


def make_squares(
    picture: Image.Image, box: Box, image_size: int, preparation: Preparation
) -> tuple[np.ndarray, list[str]]:
    """Cut or pad a part of a picture to squares and resize them.

    Args:
        picture: In mode RGB or RGBA.
        box: The part to use.
        image_size: Side of the squares in pixels.
        preparation: How pictures are prepared.

    Returns:
        uint8 `(n, image_size, image_size, 3)`, with n at least 1, and what is to be reported. If transparency is kept
        there are 4 channels, all of them 0 in invisible pixels.
    """
    reasons = []

    def resized(part: Box, width: int, height: int) -> Image.Image:
        return picture.resize((width, height), RESAMPLING, part, reducing_gap=3)

    if preparation.fit == "crop":
        position = focus_position(picture, box) if preparation.focus == "auto" else CENTRE
        boxes = crop_boxes(box, preparation.crops, position)
        if boxes != crop_boxes(box, preparation.crops):
            reasons = ["square moved off the centre, to where most of the content is"]
        images = [resized(square, image_size, image_size) for square in boxes]
    elif preparation.fit == "squash" or box.shorter_side == max(box.right - box.left, box.bottom - box.top):
        images = [resized(box, image_size, image_size)]
    else:
        scale = image_size / max(box.right - box.left, box.bottom - box.top)
        width, height = (max(1, round(scale * side)) for side in (box.right - box.left, box.bottom - box.top))
        images = [_padded(resized(box, width, height), image_size, preparation)]
    squares = np.stack([np.asarray(image) for image in images])
    if squares.shape[-1] == RGBA:
        squares = squares * (squares[..., RGB:] > 0)
    return squares, reasons


def _with_channels(decoded: Decoded, preparation: Preparation) -> Decoded:
    """Return a picture with the channels of a preparation, grey as RGB. Pillow resizes RGBA premultiplied."""
    picture = decoded.image
    if preparation.channels == GREY:
        return decoded._replace(image=picture.convert("L").convert("RGB"))
    mode = "RGBA" if preparation.channels == RGBA else "RGB"
    return decoded if picture.mode == mode else decoded._replace(image=picture.convert(mode))


def crop_boxes(box: Box, most: int, position: float = CENTRE) -> list[Box]:
    """Return the largest squares in a box, spread evenly along its longer side.

    Args:
        box: Where to cut them from.
        most: Largest number of squares. There are fewer if they would overlap by more than half.
        position: The position of a single square along the longer side, 0 to 1.
    """
    side = box.shorter_side
    across, down = box.right - box.left - side, box.bottom - box.top - side
    count = min(most, 1 + int((across + down) / (MIN_STEP * side)))
    boxes = []
    for n in range(count):
        share = n / (count - 1) if count > 1 else position
        left, top = box.left + int(share * across), box.top + int(share * down)
        boxes.append(Box(left, top, left + side, top + side))
    return boxes


def _padded(picture: Image.Image, image_size: int, preparation: Preparation) -> Image.Image:
    """Return a picture in the middle of a square of background."""
    if picture.mode == "RGBA":
        background = Image.new("RGBA", (image_size, image_size))
    elif preparation.background == BLUR:
        blur = ImageFilter.GaussianBlur(BACKGROUND_BLUR * image_size)
        background = picture.resize((image_size, image_size)).filter(blur)
    else:
        background = Image.new("RGB", (image_size, image_size), preparation.colour())
    background.paste(picture, ((image_size - picture.width) // 2, (image_size - picture.height) // 2))
    return background
