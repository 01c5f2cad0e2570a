"""Detail that is locked to a place: what a generator repeats at the same place in every image."""

import numpy as np

from pippin.measure.scores import require
from pippin.pictures import to_rgb

BLOCK = 8
"""Side in pixels of the blocks whose means are subtracted. What is left is the fine detail: edges, spots and texture.
The means themselves hold the composition, which many sets of pictures share."""

_CHUNK = 64
"""Number of images that are converted to float64 at a time, so that memory does not grow with their number."""


def locked(images: np.ndarray) -> float:
    """Compute the share of fine detail that is the same at the same place in all images.

    Let dᵢ be an image minus the means of its `BLOCK` × `BLOCK` blocks of pixels. The share is ‖E d‖² / E ‖d‖², which
    the mean over n images would overestimate: even independent images share 1/n. The estimate without that bias is

        (n s − 1) / (n − 1)    with    s = ‖mean d‖² / mean ‖d‖².

    So sets of different sizes can be compared. At 64×64, photographs of apples have 0.03 and crops of wallpapers 0.00,
    but the built-in apples, which all lie at one place, have 0.30. So only the difference from real images of the same
    kind counts: a generator that stamps one detail into every image has more than they have.

    Args:
        images: uint8 (N, S, S, C), N at least 2, S a multiple of `BLOCK`. Transparent images are composited over
            mid-grey.

    Returns:
        The share, 0 (no detail is repeated) to 1 (all images have the same detail). It is 0 if there is no detail.

    Raises:
        SettingsError: there are too few images.
    """
    require(2, "Locked detail", images=images)
    count = len(images)
    total, squares = np.zeros((*images.shape[1:3], 3)), 0.0
    for start in range(0, count, _CHUNK):
        detail = fine_detail(to_rgb(images[start : start + _CHUNK]))
        total += detail.sum(axis=0)
        squares += float((detail**2).sum()) / count
    if squares == 0:
        return 0.0
    share = float(((total / count) ** 2).sum()) / squares
    return min(1.0, max(0.0, (count * share - 1) / (count - 1)))


def fine_detail(images: np.ndarray) -> np.ndarray:
    """Return images (N, S, S, C) without the means of their blocks of pixels: float64 (N, S, S, C)."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels).astype("float64")
    return (blocks - blocks.mean(axis=(2, 4), keepdims=True)).reshape(images.shape)
