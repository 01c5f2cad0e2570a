"""Backgrounds for transparent images: a checkerboard for sheets, white for files without transparency."""

import numpy as np

from pippin.pictures import RGBA, to_rgb

SQUARES = 8
"""Approximate number of checkerboard squares along the shorter side of an image. A square has at least 4 pixels."""

LIGHT, DARK = 255, 204
"""Grey levels of the checkerboard, the usual ones of image editors."""

WHITE = 255
"""Grey level of the background in files that hold no transparency."""


def on_checkerboard(images: np.ndarray) -> np.ndarray:
    """Return images in RGB, transparent ones on a checkerboard, so that their transparency is visible.

    Args:
        images: uint8 (..., H, W, 1 | 3 | 4).

    Returns:
        uint8 (..., H, W, 3).
    """
    return to_rgb(images, checkerboard(*images.shape[-3:-1]) if images.shape[-1] == RGBA else WHITE)


def on_white(images: np.ndarray) -> np.ndarray:
    """Return images in RGB, transparent ones on white: uint8 (..., 1 | 3 | 4) → (..., 3)."""
    return to_rgb(images, WHITE)


def checkerboard(height: int, width: int) -> np.ndarray:
    """Return a checkerboard: uint8 (height, width, 1), light at the top left."""
    side = max(4, min(height, width) // SQUARES)
    odd = (np.arange(height)[:, None] // side + np.arange(width)[None, :] // side) % 2
    return np.where(odd, DARK, LIGHT).astype(np.uint8)[..., None]
