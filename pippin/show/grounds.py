"""Pictures of any channels → RGB, as people look at them."""

import numpy as np

from pippin.pictures import RGBA, to_rgb

SQUARES = 8
"""Of a checkerboard along a picture's side, about; they are 4 pixels wide at the least."""

LIGHT, DARK = 255, 204
"""Greys of the checkerboard."""

PAPER = 255
"""White: what transparent pictures are laid over where a checkerboard would disturb."""


def seen(images: np.ndarray) -> np.ndarray:
    """Return pictures so that people see what is in them: grey as it is, transparent ones over a checkerboard.

    Args:
        images: uint8 (..., H, W, 1 | 3 | 4).

    Returns:
        uint8 (..., H, W, 3).
    """
    return to_rgb(images, checkerboard(*images.shape[-3:-1]) if images.shape[-1] == RGBA else PAPER)


def on_paper(images: np.ndarray) -> np.ndarray:
    """Return pictures in RGB, transparent ones over white: uint8 (..., 1 | 3 | 4) → (..., 3)."""
    return to_rgb(images, PAPER)


def checkerboard(height: int, width: int) -> np.ndarray:
    """Return what is usual behind transparent pictures: uint8 (height, width, 1), light at the top left."""
    side = max(4, min(height, width) // SQUARES)
    odd = (np.arange(height)[:, None] // side + np.arange(width)[None, :] // side) % 2
    return np.where(odd, DARK, LIGHT).astype(np.uint8)[..., None]
