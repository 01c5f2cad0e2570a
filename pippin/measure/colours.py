"""Colour statistics of a set of images: brightness, variation, and the main colour of each image."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pippin.errors import SettingsError
from pippin.pictures import to_rgb

FAMILIES = {"red": 335, "orange": 20, "yellow": 42, "green": 70, "blue": 165, "purple": 260}
"""Name of a colour → the hue in degrees at which it begins. It ends where the next colour begins."""

GREY_CHROMA = 0.03
"""Mean chroma (largest minus smallest of R, G and B, 0 to 1) below which an image counts as grey."""

MIN_SHARE = 0.01
"""Share of the images that a colour must have, in either set, to be listed in `comparison_lines`."""


@dataclass(frozen=True)
class Colours:
    """Colour statistics of a set of images.

    Attributes:
        mean: means of R, G and B over all pixels, 0 to 255.
        spread: standard deviations of R, G and B over all pixels.
        shares: main colour (a key of `FAMILIES`, or "grey") → share of the images that have it. The shares sum to 1.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    shares: dict[str, float]


def colours(images: np.ndarray) -> Colours:
    """Compute the colour statistics of a set of images.

    The main colour of an image is the one with the largest part of its chroma. So a red apple on white is red, however
    small it is.

    Args:
        images: uint8 (N, H, W, C), N at least 1. Transparent images are composited over mid-grey.

    Returns:
        The `Colours` of the images.

    Raises:
        SettingsError: there are no images.
    """
    if not len(images):
        raise SettingsError("Colour statistics need at least 1 image; give some. Received: images=0")
    sums, squares = np.zeros(3), np.zeros(3)
    counts = dict.fromkeys((*FAMILIES, "grey"), 0)
    for image in map(to_rgb, images):
        pixels = image.reshape(-1, 3).astype("float64")
        sums += pixels.mean(axis=0) / len(images)
        squares += (pixels**2).mean(axis=0) / len(images)
        counts[_main_colour(image)] += 1
    spread = np.sqrt(np.maximum(squares - sums**2, 0))
    shares = {name: count / len(images) for name, count in counts.items()}
    return Colours(tuple(map(float, sums)), tuple(map(float, spread)), shares)


def _main_colour(image: np.ndarray) -> str:
    """Return the name of the main colour of an image, uint8 (H, W, 3)."""
    chroma = (image.max(axis=2).astype("float64") - image.min(axis=2)) / 255
    if chroma.mean() < GREY_CHROMA:
        return "grey"
    hue = np.asarray(Image.fromarray(image).convert("HSV"))[..., 0] * (360 / 256)
    starts = np.array(sorted(FAMILIES.values()))
    names = sorted(FAMILIES, key=lambda name: FAMILIES[name])
    index = (np.searchsorted(starts, hue.ravel(), side="right") - 1) % len(starts)  # the last one wraps around
    return names[np.bincount(index, chroma.ravel(), len(starts)).argmax()]


def comparison_lines(generated: Colours, reference: Colours) -> list[str]:
    """Return the colours of generated images beside those of reference images, as lines of text."""

    def channels(values: tuple[float, ...]) -> str:
        return " ".join(f"{value:.0f}" for value in values)

    names = [name for name, share in reference.shares.items() if max(generated.shares[name], share) >= MIN_SHARE]
    shares = ", ".join(f"{name} {generated.shares[name]:.0%} ({reference.shares[name]:.0%})" for name in names)
    return [
        f"Colours (reference images in brackets): mean R G B {channels(generated.mean)} ({channels(reference.mean)}), "
        f"standard deviation {channels(generated.spread)} ({channels(reference.spread)})",
        f"Main colour: {shares}",
    ]
