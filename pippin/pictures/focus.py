"""Where in a wide or high picture there is something to be seen, if that is evident.

Edges say it: an apple beside the middle of a plain ground has them, the ground has not. In a picture full of edges,
such as a heap or a tree, they say nothing, so what a square leaves out must have few of them before it is moved.
"""

import numpy as np
from PIL import Image

MIDDLE = 0.5

WORKING_SIDE = 48
"""Pixels of the shorter side of the copy that is looked at: noise and texture are gone, things are not."""

NOISE = 16
"""Of 255: a difference between neighbours that counts as none."""

SPARSE = 0.4
"""Of the density of edges in the whole picture: what a moved square leaves out may have as much at the most.

This and the following are set by eye on 1,203 photographs of apples: at 0.4, 39 squares are moved, one of them for the
worse; at 0.5, 59, and of the first 50 of those four for the worse, mostly where an apple fills the picture."""

GAIN = 1.05
"""Edges in a moved square, compared with those in the middle, at the least."""

SHIFT = 0.06
"""Of a square's side: how far it is moved at the least."""

MOST = 0.99
"""Share of the most edges that a square can have, from which on it is as good as the best: of all those, the middle one
is taken, so that what is seen does not stand at its edge."""


def focus(picture: Image.Image, box: tuple[int, int, int, int]) -> float:
    """Returns where along the longer side of a box the square with most to be seen lies.

    Args:
        picture: In mode RGB.
        box: Left, top, right and bottom of the part that is looked at, in pixels.

    Returns:
        0 for the left or upper end, 1 for the right or lower one; 0.5 where nothing is evident.
    """
    if box[2] - box[0] == box[3] - box[1]:
        return MIDDLE
    along = _edges_along(picture, box)
    before = np.concatenate([[0.0], np.cumsum(along)])
    seen = before[WORKING_SIDE:] - before[:-WORKING_SIDE]  # by a square at each place
    room, all_edges, most = len(seen) - 1, before[-1], seen.max(initial=0.0)
    if room < 1 or all_edges == 0:
        return MIDDLE
    as_good = np.flatnonzero(seen >= MOST * most)
    place = (as_good[0] + as_good[-1]) / 2
    middle = (seen[room // 2] + seen[(room + 1) // 2]) / 2
    left_out = (1 - most / all_edges) / (room / len(along))
    evident = left_out <= SPARSE and most >= GAIN * middle and abs(place - room / 2) >= SHIFT * WORKING_SIDE
    return float(place / room) if evident else MIDDLE


def _edges_along(picture: Image.Image, box: tuple[int, int, int, int]) -> np.ndarray:
    """Returns how much of edges there is along the longer side: float64, one number for each pixel of a small copy."""
    width, height = box[2] - box[0], box[3] - box[1]
    scale = WORKING_SIDE / min(width, height)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    small = np.asarray(picture.resize(size, Image.Resampling.BOX, box), np.int16)
    edges = np.zeros(small.shape[:2])
    edges[:, 1:] += np.abs(np.diff(small, axis=1)).max(axis=-1)
    edges[1:] += np.abs(np.diff(small, axis=0)).max(axis=-1)
    return np.maximum(edges - NOISE, 0).sum(axis=0 if width > height else 1)
