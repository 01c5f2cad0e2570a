"""A sheet of a run's snapshots: how the images of the same latents changed during training."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pippin.show.grids import GAP, grid

TEXT = 16
"""Font size, in pixels."""

ROWS = 6
"""Default number of rows of a timeline, which shows two latents in each."""


def timeline(sheets: Mapping[int, np.ndarray], rows: int = ROWS) -> Image.Image:
    """Return a sheet with one column for each snapshot: the batch number, and below it the images of the same latents.

    Args:
        sheets: batch number → snapshot, uint8 (N, H, W, C): the images of the same latents at that batch.
        rows: number of rows. Each row of a column shows two latents.

    Returns:
        A Pillow image in RGB.
    """
    columns = [(batch, grid(images[: 2 * rows], columns=2)) for batch, images in sorted(sheets.items())]
    height, width = columns[0][1].shape[:2]
    font = ImageFont.load_default(TEXT)
    gutter, header = 6 * GAP, TEXT + 8
    width = max(width, max(int(font.getlength(label(batch))) for batch, _ in columns))
    canvas = Image.new("RGB", (len(columns) * (width + gutter) + gutter, header + height + gutter), "white")
    draw = ImageDraw.Draw(canvas)
    for index, (batch, sheet) in enumerate(columns):
        left = gutter + index * (width + gutter)
        draw.text((left, 4), label(batch), fill="black", font=font)
        canvas.paste(Image.fromarray(sheet), (left, header))
    return canvas


def label(batch: int) -> str:
    """Return the label of a snapshot."""
    return f"batch {batch:,}"
