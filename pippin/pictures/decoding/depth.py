"""Values of more than 8 bits → 8-bit levels, with one scale for a whole set.

Microscopes, cameras and scanners store 10, 12 or 14 bits in files of 16, so that a file alone does not say which value
is white. The highest value of the set does.
"""

from collections.abc import Iterable

import numpy as np

from pippin.pictures.refused import Refused

BITS = (8, 10, 12, 14, 16)
"""Numbers of bits with which values are stored."""

MOST_BITS = 16

DEEP_MODES = ("I", "F")
"""Beginnings of Pillow's modes of one channel with more than 8 bits: I, I;16, I;16B and F."""

DARK = 64
"""Of 255. If nearly all values of nearly all pictures are below this, the set is dark. Values of
14 bits that are read as 16 bits stay below it."""

DARK_SHARE = 0.9
"""Share of the pictures that must be dark for a set to be dark."""

SAMPLE = 256
"""Number of pictures in which the brightness is measured."""


def to_levels(values: np.ndarray, bits: int | None) -> np.ndarray:
    """Convert values of more than 8 bits to 8-bit levels. Pillow's conversion would clip most values to white.

    Floating-point values within [0, 1] have white at 1. Values that are negative or above 65,535 are measurements (an
    X-ray, a height map), and are stretched from their lowest to their highest.

    Args:
        values: Numbers of any type and shape.
        bits: White is 2^bits - 1, and higher values are white too. None: the smallest of `BITS` that holds all values.

    Returns:
        uint8 of the same shape.

    Raises:
        Refused: If a value is not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low + high):
        raise Refused("holds values that are not finite")
    black, white = 0.0, 1.0
    if low < 0 or high > 2**MOST_BITS - 1:
        black, white = low, high - low or 1.0
    elif highest_value(values) is not None:
        white = 2.0 ** (bits or bits_for(high)) - 1
    shifted = np.asarray(values, np.float64) - black
    return np.rint(np.minimum(shifted, white) * (255.0 / white)).astype(np.uint8)


def highest_value(values: np.ndarray) -> float | None:
    """Return the highest of some values, if the number of bits decides which value is white; else None."""
    low, high = float(values.min()), float(values.max())
    is_fraction = values.dtype.kind == "f" and high <= 1
    return high if low >= 0 and high <= 2**MOST_BITS - 1 and not is_fraction else None


def bits_for(highest: float) -> int:
    """Return the smallest of `BITS` that holds a value."""
    return next(bits for bits in BITS if highest <= 2**bits - 1)


def is_dark(images: np.ndarray) -> bool:
    """Return whether nearly all pictures of a set are dark.

    Args:
        images: uint8 `(N, S, S, 3 | 4)`.
    """
    sampled = images[:: max(1, len(images) // SAMPLE)][..., :3]
    brightest = np.percentile(sampled.reshape(len(sampled), -1), 99, axis=1)
    return bool(np.quantile(brightest, DARK_SHARE, method="lower") < DARK)


def describe_bits(highest: Iterable[float | None], bits: int) -> str:
    """Return a line on how values of more than 8 bits were read.

    Args:
        highest: The highest value of each picture; None for pictures of 8 bits.
        bits: The number of bits that was used.
    """
    values = [value for value in highest if value is not None]
    return (
        f"values of more than 8 bits in {len(values):,} pictures: read as {bits} bits, so that {2**bits - 1:,} is "
        f"white (the highest is {max(values):,.0f}); --bits sets another range"
    )
