"""Padding bars: plain strips that were added to fit a picture into a frame.

They must not be confused with the plain ground of a product photograph, which is kept: without it, the object would
lose its outline. Two properties distinguish a bar. It ends abruptly along all of its length, whereas an object on a
plain ground begins narrow. And there is a bar on the opposite side, because padding keeps a picture in the middle. If
the picture itself ends in a plain strip, such as a white sky, only one of the two bars ends abruptly, and the other has
the same length.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

WORKING_SIDE = 384
"""Longer side in pixels of the reduced copy in which larger pictures are examined. Reducing also removes noise."""

MIN_SHARE_LEFT = 4
"""Trimming leaves at least one part in this many of either side."""

TOLERANCE = 16
"""Of 255. Pixels within this distance of the bar's colour belong to it: the noise of a JPEG stays below it."""

MAX_STRAY = 0.1
"""Largest share of a bar's line that may differ nevertheless: a JPEG has ripples beside sharp edges."""

LINES_AT_ONCE = 24
"""Lines that are examined at a time, so that a picture without bars costs little."""

BLEND = 3
"""Lines within which a bar ends: resizing blurs its edge."""

MIN_CLEAR = 0.85
"""Least share of the first line after a bar that differs from it, if there is a bar on the opposite side."""

MIN_CLEAR_ALONE = 0.95
"""The same without a bar on the opposite side. The bar must be black or white then."""


class Bars(NamedTuple):
    """Number of lines of padding on each side of a picture."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return ", ".join(f"{lines} {side}" for side, lines in self._asdict().items() if lines)


class Strip(NamedTuple):
    """The plain lines at one side of a picture, and what follows them.

    Args:
        length: Number of plain lines.
        colour: Their colour, float `(3,)`.
        clear: Largest share of a line that differs from that colour, among the first lines after the strip.
        end: The line, counted from the side, from which no pixel belongs to the strip.
    """

    length: int
    colour: np.ndarray
    clear: float
    end: int


def find_bars(pixels: np.ndarray) -> Bars:
    """Find the padding bars of a picture.

    Args:
        pixels: uint8 `(H, W, 3)`, RGB, 0 to 255.

    Returns:
        The number of lines to trim on each side, all 0 if there are no bars.
    """
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // WORKING_SIDE)
    rows, columns = max(1, height // step), max(1, width // step)
    small = pixels
    if step > 1:
        whole = (0, 0, min(width, columns * step), min(height, rows * step))
        small = np.asarray(Image.fromarray(pixels).reduce(step, whole))

    left, top, right, bottom = 0, 0, columns, rows
    for _ in range(2):  # the second pass finds bars within bars, and bars on all four sides
        before = (top, bottom, left, right)
        first, last = _trim(small[top:bottom, left:right], rows)
        top, bottom = top + first, bottom - last
        first, last = _trim(small[top:bottom, left:right].swapaxes(0, 1), columns)
        left, right = left + first, right - last
        if before == (top, bottom, left, right):
            break  # a second pass would find the same
    return Bars(
        left * step,
        top * step,
        width - right * step if right < columns else 0,
        height - bottom * step if bottom < rows else 0,
    )


def _trim(lines: np.ndarray, whole: int) -> tuple[int, int]:
    """Return the number of lines of padding at the beginning and at the end.

    Args:
        lines: uint8 `(lines, length, 3)`.
        whole: Number of lines of the whole picture; see `MIN_SHARE_LEFT`.
    """
    first_and_last = lines[[0, -1]]
    if not _may_be_plain(first_and_last):  # the case of nearly all photographs
        return 0, 0
    colours = _medians(first_and_last)
    plain = _differing(first_and_last, colours[:, None]) <= MAX_STRAY
    head, tail = (
        _plain_strip(from_side, colour) if begins else Strip(0, colour, 0.0, 0)
        for from_side, colour, begins in zip((lines, lines[::-1]), colours, plain, strict=True)
    )
    partners = min(head.length, tail.length) > 0 and bool((np.abs(head.colour - tail.colour) <= TOLERANCE).all())
    first, last = _lines_to_trim(head, tail, partners), _lines_to_trim(tail, head, partners)
    return (first, last) if MIN_SHARE_LEFT * (len(lines) - first - last) >= whole else (0, 0)


def _lines_to_trim(strip: Strip, opposite: Strip, partners: bool) -> int:
    """Return the number of lines to trim at one side. `partners`: both sides are plain and have the same colour."""
    if partners and strip.clear >= MIN_CLEAR:
        return strip.end
    if partners and opposite.clear >= MIN_CLEAR:
        return min(strip.length, opposite.length)
    black_or_white = strip.colour.max() <= TOLERANCE or strip.colour.min() >= 255 - TOLERANCE
    return strip.end if strip.length and black_or_white and strip.clear >= MIN_CLEAR_ALONE else 0


def _may_be_plain(lines: np.ndarray) -> bool:
    """Return whether any of the lines may be plain. Of two pixels that differ strongly, at least one is a stray.

    This check is several times faster than computing the medians.
    """
    half = lines.shape[1] // 2
    green = lines[:, : 2 * half, 1].astype(np.int16)
    apart = np.abs(green[:, :half] - green[:, half:]) > 2 * TOLERANCE
    return bool((np.count_nonzero(apart, axis=1) <= MAX_STRAY * lines.shape[1]).any())


def _medians(lines: np.ndarray) -> np.ndarray:
    """Return the median colour of each line: float32 `(lines, 3)`."""
    ordered, count = np.sort(lines, axis=1), lines.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2].astype(np.float32)) / 2


def _plain_strip(lines: np.ndarray, colour: np.ndarray) -> Strip:
    """Measure the plain strip at the beginning of a picture, without reading further than it goes.

    Args:
        lines: uint8 `(lines, length, 3)`, the first of them plain.
        colour: The median of the first line.
    """
    length = 0
    while not (differing := _differing(lines[length : length + LINES_AT_ONCE], colour) > MAX_STRAY).any():
        length += len(differing)
        if length == len(lines):
            return Strip(len(lines), colour, 0.0, len(lines))
    length += int(differing.argmax())
    after = _differing(lines[length : length + BLEND], colour)
    clear = float(after.max())
    end = length + int((after >= MIN_CLEAR).argmax()) + 1  # one more: that line may be a blend of bar and picture
    return Strip(length, colour, clear, end)


def _differing(lines: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return the share of each line that differs from a colour. NumPy's `any` along an axis of 3 would be slow."""
    apart = np.abs(lines - colour) > TOLERANCE
    differs = apart[..., 0] | apart[..., 1] | apart[..., 2]
    return np.count_nonzero(differs, axis=-1) / lines.shape[1]
