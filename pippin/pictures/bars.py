"""Padding bars, plain strips that made a picture fit a frame: where they are.

They must be told from the plain ground of a product photograph, which has to stay: cut tightly, the fruit loses its
outline. A bar ends abruptly, all along its length, whereas an object on a plain ground begins narrow. And a bar has a
partner on the opposite side, for people put pictures in the middle: where only one of the two shows, since the picture
ends in a white sky, the other is as long.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

LEAST_LEFT = 4  # trimming leaves a quarter of either side at least
WORKING_SIDE = 384  # pixels; a larger picture is looked at in a smaller copy, which evens out noise too
TOLERANCE = 16  # of 255: as far from the bar's colour as the noise of a JPEG goes
STRAY = 0.1  # share of a bar's line that may differ all the same: a JPEG rings beside sharp edges
AT_ONCE = 24  # lines that are looked at in one go
BLEND = 3  # lines within which a bar ends: resizing blurs its edge
CLEAR = 0.85  # share of the first line after a bar that differs from it, if the bar has a partner opposite
CLEAR_ALONE = 0.95  # the same without a partner; then the bar must be black or white, too


class Bars(NamedTuple):
    """How many lines of a picture are padding, on each side."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return ", ".join(f"{lines} {side}" for side, lines in self._asdict().items() if lines)


class Run(NamedTuple):
    """A run of plain lines at one side of a picture, and what comes after it.

    Args:
        length: How many lines are plain.
        colour: float, shape `(3,)`: the colour they have.
        clear: The largest share of a line that differs from that colour, among the first few after the run.
        end: The line, counted from the side, at which the picture is fully there.
    """

    length: int
    colour: np.ndarray
    clear: float
    end: int


def find_bars(pixels: np.ndarray) -> Bars:
    """Finds the padding bars of a picture.

    Args:
        pixels: uint8 of shape `(H, W, 3)`, RGB, 0 to 255.

    Returns:
        How many lines to trim on each side, all 0 if there are no bars.
    """
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // WORKING_SIDE)
    rows, columns = height // step, width // step
    small = pixels
    if step > 1:
        small = np.asarray(Image.fromarray(pixels).reduce(step, (0, 0, columns * step, rows * step)))

    left, top, right, bottom = 0, 0, columns, rows
    for _ in range(2):  # the second look finds bars within bars, and those on all four sides
        before = (top, bottom, left, right)
        first, last = _trim(small[top:bottom, left:right], rows)
        top, bottom = top + first, bottom - last
        first, last = _trim(small[top:bottom, left:right].swapaxes(0, 1), columns)
        left, right = left + first, right - last
        if before == (top, bottom, left, right):
            break  # a second look would see the same
    return Bars(
        left * step,
        top * step,
        width - right * step if right < columns else 0,
        height - bottom * step if bottom < rows else 0,
    )


def _trim(lines: np.ndarray, whole: int) -> tuple[int, int]:
    """Returns how many lines at the beginning and at the end are padding.

    Args:
        lines: uint8 of shape `(lines, length, 3)`.
        whole: How many lines the whole picture has, of which a good part must be left.
    """
    first_and_last = lines[[0, -1]]
    if not _may_be_plain(first_and_last):  # as in nearly all photographs
        return 0, 0
    colours = _medians(first_and_last)
    plain = _differing(first_and_last, colours[:, None]) <= STRAY
    head, tail = (
        _plain_run(from_side, colour) if begins else Run(0, colour, 0.0, 0)
        for from_side, colour, begins in zip((lines, lines[::-1]), colours, plain, strict=True)
    )
    partners = min(head.length, tail.length) > 0 and bool((np.abs(head.colour - tail.colour) <= TOLERANCE).all())
    first, last = _lines_to_trim(head, tail, partners), _lines_to_trim(tail, head, partners)
    return (first, last) if LEAST_LEFT * (len(lines) - first - last) >= whole else (0, 0)


def _lines_to_trim(run: Run, opposite: Run, partners: bool) -> int:
    """Returns how many lines to trim at one side; `partners` says that both sides are plain in the same colour."""
    if partners and run.clear >= CLEAR:
        return run.end
    if partners and opposite.clear >= CLEAR:
        return min(run.length, opposite.length)
    black_or_white = run.colour.max() <= TOLERANCE or run.colour.min() >= 255 - TOLERANCE
    return run.end if run.length and black_or_white and run.clear >= CLEAR_ALONE else 0


def _may_be_plain(lines: np.ndarray) -> bool:
    """Whether any of some lines may be plain: where two pixels are far apart, at least one of them is a stray.

    Looking for their medians takes several times as long.
    """
    half = lines.shape[1] // 2
    green = lines[:, : 2 * half, 1].astype(np.int16)
    apart = np.abs(green[:, :half] - green[:, half:]) > 2 * TOLERANCE
    return bool((np.count_nonzero(apart, axis=1) <= STRAY * lines.shape[1]).any())


def _medians(lines: np.ndarray) -> np.ndarray:
    """Returns the median colour of each line: float32 of shape `(lines, 3)`."""
    ordered, count = np.sort(lines, axis=1), lines.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2].astype(np.float32)) / 2


def _plain_run(lines: np.ndarray, colour: np.ndarray) -> Run:
    """Measures the run of plain lines with which a picture begins, looking no further than it goes.

    Args:
        lines: uint8 of shape `(lines, length, 3)`, the first of them plain.
        colour: The median of the first.
    """
    length = 0
    while not (differing := _differing(lines[length : length + AT_ONCE], colour) > STRAY).any():
        length += len(differing)
        if length == len(lines):
            return Run(len(lines), colour, 0.0, len(lines))
    length += int(differing.argmax())
    after = _differing(lines[length : length + BLEND], colour)
    clear = float(after.max())
    end = length + int((after >= CLEAR).argmax()) + 1  # one more: the first line may be a blend of bar and picture
    return Run(length, colour, clear, end)


def _differing(lines: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Returns the share of each line that differs from a colour. NumPy's `any` along an axis of 3 would be slow."""
    apart = np.abs(lines - colour) > TOLERANCE
    differs = apart[..., 0] | apart[..., 1] | apart[..., 2]
    return np.count_nonzero(differs, axis=-1) / lines.shape[1]
