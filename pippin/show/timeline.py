"""How the same latents' pictures changed while the networks learnt."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pippin.show.grids import GAP, grid

TEXT = 16
"""Height of the lettering, in pixels."""

ROWS = 6


def timeline(sheets: Mapping[int, np.ndarray], rows: int = ROWS) -> Image.Image:
    """Show one column for each moment: the batch number above, the same latents' pictures below it.

    Args:
        sheets: batch number → uint8 (N, H, W, C), the pictures of the same latents at that batch.
        rows: how many latents to show, each in two neighbouring pictures a row.

    Returns:
        A Pillow picture in RGB.
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
    """Return a batch number as people read it."""
    return f"batch {batch:,}"
