"""Sheets of many images."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pippin.show.backgrounds import on_checkerboard

GAP = 2
"""White pixels between the images of a grid."""

LABEL = 11
"""Font size of the labels, in pixels."""


def grid(images: np.ndarray, columns: int | None = None, labels: Sequence[str] | None = None) -> np.ndarray:
    """Return images arranged in rows, from left to right and from top to bottom.

    Args:
        images: uint8 (N, H, W, C). Transparent images are shown on a checkerboard.
        columns: number of images in a row. If None, the grid is as square as possible.
        labels: a text to write below each image. All columns are as wide as the widest label.

    Returns:
        uint8 (rows · (H + GAP) − GAP, columns · (W + GAP) − GAP, 3), white where there is no image. With labels, H and
        W are those of an image with its label.
    """
    images = on_checkerboard(images)
    if labels is not None:
        images = _labelled(images, labels)
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels)
    sheet = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def titled_rows(rows: np.ndarray, titles: Sequence[str], headings: Sequence[str]) -> np.ndarray:
    """Return rows of images with a title to the left of each row and a heading above each column.

    Args:
        rows: uint8 (R, C, H, W, 3).
        titles: R titles.
        headings: C headings.

    Returns:
        uint8 (height, width, 3).
    """
    font = ImageFont.load_default(LABEL)
    count, columns, height, width = rows.shape[:4]
    wide = max(round(font.getlength(title)) for title in titles) + 3 * GAP
    top = LABEL + 4
    sheet = Image.new("RGB", (wide + columns * (width + GAP) - GAP, top + count * (height + GAP) - GAP), "white")
    sheet.paste(Image.fromarray(grid(rows.reshape(-1, height, width, 3), columns)), (wide, top))
    draw = ImageDraw.Draw(sheet)
    for n, title in enumerate(titles):
        draw.text((GAP, top + n * (height + GAP) + height / 2), title, fill="black", font=font, anchor="lm")
    for n, heading in enumerate(headings):
        draw.text((wide + n * (width + GAP) + width / 2, 1), heading, fill="black", font=font, anchor="ma")
    return np.asarray(sheet)


def _labelled(images: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return white cells with an image, unchanged, and its label in each."""
    font = ImageFont.load_default(LABEL)
    count, height, width, _ = images.shape
    wide = max(width, *(round(font.getlength(label)) + 4 for label in labels))
    cells = np.full((count, height + LABEL + 4, wide, 3), 255, np.uint8)
    left = (wide - width) // 2
    for cell, image, label in zip(cells, images, labels, strict=True):
        cell[:height, left : left + width] = image
        strip = Image.fromarray(cell[height:])
        ImageDraw.Draw(strip).text((wide / 2, 1), label, fill="black", font=font, anchor="ma")
        cell[height:] = np.asarray(strip)
    return cells
