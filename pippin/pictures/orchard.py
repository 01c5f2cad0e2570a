"""The built-in set of pictures, `apples`: which ones there are.

Everything that determines a picture is in its `AppleFactors`, so what a network has learned can be checked exactly.
`renderer.py` paints them.
"""

import numpy as np

from pippin.errors import SettingsError
from pippin.pictures.brushes import counted_draws
from pippin.pictures.renderer import AppleFactors, paint

SKINS = ("red", "green", "yellow", "striped")
SKIN_SHARES = (0.40, 0.22, 0.16, 0.22)
BACKGROUNDS = ("white", "pastel", "gradient", "wood", "garden")
BACKGROUND_SHARES = (0.28, 0.22, 0.18, 0.18, 0.14)
MIN_SIZE, MAX_SIZE = 16, 256  # pixels


def apple_factors(index: int, seed: int = 0) -> AppleFactors:
    """Draws the factors of one picture.

    The draws are keyed by `(seed, index)` alone, so picture `index` is the same one in a set of any count and at any
    size.

    Args:
        index: Which picture, 0 or more.
        seed: Which set of pictures, 0 or more.

    Returns:
        The picture's `AppleFactors`.

    Raises:
        SettingsError: If `index` or `seed` is negative.
    """
    if index < 0 or seed < 0:
        raise SettingsError(f"`index` and `seed` must be 0 or more. Received: index={index}, seed={seed}")
    draws = counted_draws(seed, index)

    def between(low: float, high: float) -> float:
        return float(draws.uniform(low, high))

    size = between(0.50, 0.68)
    leaf_rise = between(5, 45)
    return AppleFactors(
        skin=str(draws.choice(SKINS, p=SKIN_SHARES)),
        hue=between(-1, 1),
        lightness=between(-1, 1),
        blush=between(0, 1),
        freckles=between(0, 1),
        background=str(draws.choice(BACKGROUNDS, p=BACKGROUND_SHARES)),
        background_hue=between(0, 1),
        size=size,
        x=between(-0.4, 0.4) * (0.85 - size),
        y=between(-0.4, 0.4) * (0.75 - size) - 0.10,
        tilt=float(np.clip(draws.normal(0, 9), -24, 24)),
        pitch=between(12, 36),
        turn=between(0, 360),
        light=between(25, 155),
        height=between(1.22, 1.62),
        taper=between(0.06, 0.26),
        dimple=between(0.38, 0.46),
        lobes=between(0.0, 0.08),
        stem=between(0.36, 0.62),
        stem_bend=between(-0.22, 0.22),
        leaf=bool(draws.random() < 0.4),
        leaf_angle=leaf_rise if draws.random() < 0.5 else 180 - leaf_rise,
        texture=int(draws.integers(2**32)),
    )


def paint_apples(count: int, image_size: int, seed: int = 0) -> np.ndarray:
    """Paints the first `count` pictures of a set.

    Args:
        count: How many pictures, 1 or more.
        image_size: Side of the pictures in pixels, 16 to 256.
        seed: Which set of pictures, 0 or more.

    Returns:
        A uint8 array of shape `(count, image_size, image_size, 3)`, RGB, 0 to 255.

    Raises:
        SettingsError: If `count`, `image_size` or `seed` is out of its range.
    """
    if count < 1:
        raise SettingsError(f"`count` must be 1 or more. Received: count={count}")
    _check_size(image_size)
    pictures = np.empty((count, image_size, image_size, 3), np.uint8)
    for index in range(count):
        pictures[index] = paint_apple(apple_factors(index, seed), image_size)
    return pictures


def paint_apple(factors: AppleFactors, image_size: int) -> np.ndarray:
    """Paints one picture.

    Args:
        factors: What to paint.
        image_size: Side of the picture in pixels, 16 to 256.

    Returns:
        A uint8 array of shape `(image_size, image_size, 3)`, RGB, 0 to 255.

    Raises:
        SettingsError: If `image_size` is out of its range.
    """
    _check_size(image_size)
    return paint(factors, image_size)


def _check_size(image_size: int) -> None:
    if not MIN_SIZE <= image_size <= MAX_SIZE:
        raise SettingsError(
            f"`image_size` must be between {MIN_SIZE} and {MAX_SIZE} pixels. Received: image_size={image_size}"
        )
