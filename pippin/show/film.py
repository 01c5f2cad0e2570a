"""A film of a run's snapshots: how the images of the same latents changed during training."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pippin.errors import SettingsError
from pippin.show.grids import GAP, grid
from pippin.show.timeline import TEXT, label

MAX_SIDE = 1080
"""Approximate largest side of a frame, in pixels. Of larger images, fewer are shown."""

LAST_REPEATS = 2
"""Duration of the last snapshot, as a multiple of the others' duration."""


def film(sheets: Mapping[int, np.ndarray], fps: float = 24, seconds: float = 1.5) -> Iterator[np.ndarray]:
    """Yield the frames of a film that fades from snapshot to snapshot, with the batch number below.

    Args:
        sheets: batch number → snapshot, uint8 (N, H, W, C): the images of the same latents at that batch.
        fps: frames per second.
        seconds: time from one snapshot to the next; half of it is the fade.

    Yields:
        uint8 (H, W, 3), frames of the same size.

    Raises:
        SettingsError: there are no snapshots, or `seconds` is out of range.
    """
    if not sheets:
        raise SettingsError("The run has no snapshots yet, so there is no story; train it first. Received: 0 snapshots")
    if not 0.1 <= seconds <= 60:
        raise SettingsError(f"seconds must be from 0.1 to 60. Received: seconds={seconds:g}")
    snapshots = [(label(batch), _sheet(images)) for batch, images in sorted(sheets.items())]
    width = max(_font().getlength(text) for text, _ in snapshots)
    fade = max(1, round(fps * seconds / 2))
    hold = max(1, round(fps * seconds) - fade)
    for (text, now), (next_text, then) in itertools.pairwise(snapshots):
        yield from itertools.repeat(_captioned(now, text, width), hold)
        for step in range(1, fade + 1):
            t = step / (fade + 1)
            mixed = now + (3 * t**2 - 2 * t**3) * (then.astype(np.float32) - now)  # smoothstep: slow at both ends
            yield _captioned(np.rint(mixed).astype(np.uint8), text if t < 0.5 else next_text, width)
    text, now = snapshots[-1]
    yield from itertools.repeat(_captioned(now, text, width), LAST_REPEATS * (hold + fade))


def _sheet(images: np.ndarray) -> np.ndarray:
    """Return a square grid of the first images, with a side of at most about `MAX_SIDE`."""
    columns = int(np.sqrt(len(images)))
    columns = max(1, min(columns, (MAX_SIDE + GAP) // (images.shape[2] + GAP)))
    return grid(images[: columns**2], columns)


def _captioned(sheet: np.ndarray, text: str, width: float) -> np.ndarray:
    """Return a sheet with a line of text below it, both centred."""
    height, wide = sheet.shape[0], max(sheet.shape[1], round(width) + 4 * GAP)
    canvas = Image.new("RGB", (wide, height + TEXT + 8), "white")
    canvas.paste(Image.fromarray(sheet), ((wide - sheet.shape[1]) // 2, 0))
    ImageDraw.Draw(canvas).text((wide / 2, height + 3), text, fill="black", font=_font(), anchor="ma")
    return np.asarray(canvas)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of the captions."""
    return ImageFont.load_default(TEXT)
