"""Whether colours are right: how bright and how different they are, and which colour most pictures have."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pippin.pictures import to_rgb

FAMILIES = {"red": 335, "orange": 20, "yellow": 42, "green": 70, "blue": 165, "purple": 260}
"""Name → the hue in degrees at which the family begins; each ends where the next one begins."""

COLOURLESS = 0.03
"""Mean chroma (largest minus smallest of R, G and B, 0 to 1) below which a picture is called grey."""


@dataclass(frozen=True)
class Colours:
    """The colours of a set of pictures.

    Attributes:
        mean: of R, G and B over all pixels, 0 to 255.
        spread: their standard deviations over all pixels.
        shares: share of the pictures whose colour is mostly of each of `FAMILIES`, or "grey"; they sum to 1.
    """

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    shares: dict[str, float]


def colours(images: np.ndarray) -> Colours:
    """Look at the colours of pictures.

    Args:
        images: uint8 (N, H, W, C), N at least 1; of transparent ones what is seen over mid-grey counts.

    Returns:
        `Colours`. A picture belongs to the family that has the largest part of its chroma, so a red apple on white is
        red, however small it is.
    """
    sums, squares = np.zeros(3), np.zeros(3)
    counts = dict.fromkeys((*FAMILIES, "grey"), 0)
    for image in map(to_rgb, images):
        pixels = image.reshape(-1, 3).astype("float64")
        sums += pixels.mean(axis=0) / len(images)
        squares += (pixels**2).mean(axis=0) / len(images)
        counts[_family(image)] += 1
    spread = np.sqrt(np.maximum(squares - sums**2, 0))
    shares = {name: count / len(images) for name, count in counts.items()}
    return Colours(tuple(map(float, sums)), tuple(map(float, spread)), shares)


def _family(image: np.ndarray) -> str:
    """Name the family of one picture (H, W, 3)."""
    chroma = (image.max(axis=2).astype("float64") - image.min(axis=2)) / 255
    if chroma.mean() < COLOURLESS:
        return "grey"
    hue = np.asarray(Image.fromarray(image).convert("HSV"))[..., 0] * (360 / 256)
    starts = np.array(sorted(FAMILIES.values()))
    names = sorted(FAMILIES, key=lambda name: FAMILIES[name])
    which = (np.searchsorted(starts, hue.ravel(), side="right") - 1) % len(starts)  # below the first is the last
    return names[np.bincount(which, chroma.ravel(), len(starts)).argmax()]


def comparison(painted: Colours, real: Colours) -> list[str]:
    """Say to people how far the colours of painted pictures are from those of real ones."""

    def channels(values: tuple[float, ...]) -> str:
        return " ".join(f"{value:.0f}" for value in values)

    seen = [name for name in real.shares if max(painted.shares[name], real.shares[name]) >= 0.01]
    shares = ", ".join(f"{name} {painted.shares[name]:.0%} ({real.shares[name]:.0%})" for name in seen)
    return [
        f"Colours (of the real ones in brackets): mean R G B {channels(painted.mean)} ({channels(real.mean)}), "
        f"spread {channels(painted.spread)} ({channels(real.spread)})",
        f"Mostly {shares}",
    ]
