"""How the same latents' pictures changed while the networks learnt, as a film."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pippin.errors import SettingsError
from pippin.show.grids import GAP, grid
from pippin.show.timeline import TEXT, label

SIDE = 1080
"""Pixels of a frame's side, about, at the most: of large pictures fewer are shown."""

LINGER = 2
"""The last moment stays so many times as long as the others."""


def film(sheets: Mapping[int, np.ndarray], fps: float = 24, seconds: float = 1.5) -> Iterator[np.ndarray]:
    """Show one moment after another, softly faded, with the batch number below.

    Args:
        sheets: batch number → uint8 (N, H, W, C), the pictures of the same latents at that batch.
        fps: frames a second.
        seconds: from one moment to the next, the half of them for the fade.

    Yields:
        uint8 (H, W, 3), frames of one size.

    Raises:
        SettingsError: nothing to show, or no time for it.
    """
    if not sheets:
        raise SettingsError("There are no pictures of the run's moments, so no story. Received: 0 moments")
    if not 0.1 <= seconds <= 60:
        raise SettingsError(f"seconds must be from 0.1 to 60. Received: seconds={seconds:g}")
    moments = [(label(batch), _sheet(images)) for batch, images in sorted(sheets.items())]
    width = max(_font().getlength(text) for text, _ in moments)
    fade = max(1, round(fps * seconds / 2))
    hold = max(1, round(fps * seconds) - fade)
    for (text, now), (next_text, then) in itertools.pairwise(moments):
        yield from itertools.repeat(_captioned(now, text, width), hold)
        for step in range(1, fade + 1):
            t = step / (fade + 1)
            mixed = now + (3 * t**2 - 2 * t**3) * (then.astype(np.float32) - now)  # slow at both ends
            yield _captioned(np.rint(mixed).astype(np.uint8), text if t < 0.5 else next_text, width)
    text, now = moments[-1]
    yield from itertools.repeat(_captioned(now, text, width), LINGER * (hold + fade))


def _sheet(images: np.ndarray) -> np.ndarray:
    """As many of the pictures as make a square that is not too large."""
    columns = int(np.sqrt(len(images)))
    columns = max(1, min(columns, (SIDE + GAP) // (images.shape[2] + GAP)))
    return grid(images[: columns**2], columns)


def _captioned(sheet: np.ndarray, text: str, width: float) -> np.ndarray:
    """Write a line below a sheet, which is put in the middle where the line needs more room."""
    height, wide = sheet.shape[0], max(sheet.shape[1], round(width) + 4 * GAP)
    canvas = Image.new("RGB", (wide, height + TEXT + 8), "white")
    canvas.paste(Image.fromarray(sheet), ((wide - sheet.shape[1]) // 2, 0))
    ImageDraw.Draw(canvas).text((wide / 2, height + 3), text, fill="black", font=_font(), anchor="ma")
    return np.asarray(canvas)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(TEXT)
