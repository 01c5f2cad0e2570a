"""The images of the built-in set `apples`.

`AppleFactors` holds everything that determines an image. The factors are known exactly, so what a network
has learnt can be checked against them. `renderer.py` renders the images.
"""

import numpy as np

from pippin.errors import SettingsError
from pippin.pictures.built_in.brushes import counter_based_generator
from pippin.pictures.built_in.renderer import AppleFactors, render

SKINS = ("red", "green", "yellow", "striped")
SKIN_SHARES = (0.40, 0.22, 0.16, 0.22)
"""Probability of each skin, in the order of `SKINS`."""

BACKGROUNDS = ("white", "pastel", "gradient", "wood", "garden")
BACKGROUND_SHARES = (0.28, 0.22, 0.18, 0.18, 0.14)
"""Probability of each background, in the order of `BACKGROUNDS`."""

MIN_SIZE, MAX_SIZE = 16, 512
"""Smallest and largest side of an image, in pixels: the sizes that Pippin trains on."""


def apple_factors(index: int, seed: int = 0) -> AppleFactors:
    """Draw the factors of one image.

    The random draws depend on `(seed, index)` alone. Image `index` is therefore the same at every count and size.

    Args:
        index: Index of the image, 0 or more.
        seed: Seed of the set, 0 or more.

    Returns:
        The `AppleFactors` of the image.

    Raises:
        SettingsError: If `index` or `seed` is negative.
    """
    if index < 0 or seed < 0:
        raise SettingsError(f"`index` and `seed` must be 0 or more. Received: index={index}, seed={seed}")
    draws = counter_based_generator(seed, index)

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


def render_apples(count: int, image_size: int, seed: int = 0) -> np.ndarray:
    """Render the first `count` images of a set.

    Args:
        count: Number of images, 1 or more.
        image_size: Side of the images in pixels, 16 to 512.
        seed: Seed of the set, 0 or more.

    Returns:
        RGB images as a uint8 array of shape `(count, image_size, image_size, 3)`, 0 to 255.

    Raises:
        SettingsError: If `count`, `image_size` or `seed` is out of its range.
    """
    if count < 1:
        raise SettingsError(f"`count` must be 1 or more. Received: count={count}")
    _check_size(image_size)
    images = np.empty((count, image_size, image_size, 3), np.uint8)
    for index in range(count):
        images[index] = render_apple(apple_factors(index, seed), image_size)
    return images


def render_apple(factors: AppleFactors, image_size: int) -> np.ndarray:
    """Render one image.

    Args:
        factors: The factors of the image.
        image_size: Side of the image in pixels, 16 to 512.

    Returns:
        An RGB image as a uint8 array of shape `(image_size, image_size, 3)`, 0 to 255.

    Raises:
        SettingsError: If `image_size` is out of its range.
    """
    _check_size(image_size)
    return render(factors, image_size)


def _check_size(image_size: int) -> None:
    """Raise a `SettingsError` if images of this size cannot be rendered."""
    if not MIN_SIZE <= image_size <= MAX_SIZE:
        raise SettingsError(
            f"`image_size` must be between {MIN_SIZE} and {MAX_SIZE} pixels. Received: image_size={image_size}"
        )
