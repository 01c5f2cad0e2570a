"""Pictures that look the same: saved again, resized, or cut a little differently.

Two of them are near copies if two measures say so. A hash of 64 bits, of the signs of the lowest frequencies of the
grey picture, finds candidates quickly and forgives another brightness; the difference of small colour copies rules out
those that share an outline only, such as a red apple and a green one on white. Both thresholds are set by eye: see
docs/pictures.md. (The library ImageHash computes the same hash, and brings SciPy and PyWavelets along for it.)
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from pippin.pictures.channels import to_rgb

BITS = 10
"""Of 64: candidates' hashes differ in no more."""

DIFFERENCE = 20.0
"""Of 255: near copies' small pictures differ by no more, as a root mean square."""

HASHED_SIDE = 32  # pixels of the grey picture that is hashed
FREQUENCIES = 8  # along each side that make the hash
SMALL_SIDE = 16  # pixels of the small colour copies
AT_ONCE = 256  # rows that are compared with all others in one go: 200 MB for 100,000 pictures

_WAVES = np.cos(np.pi * np.outer(np.arange(1, FREQUENCIES + 1), 2 * np.arange(HASHED_SIDE) + 1) / (2 * HASHED_SIDE))


def likeness(pixels: np.ndarray) -> str:
    """Returns a hash of how a picture looks.

    Args:
        pixels: uint8 of shape `(S, S, 3)`, or 4.

    Returns:
        16 hexadecimal digits, one bit for each of the 8×8 lowest frequencies but the constant ones: whether it is
        stronger than their median.
    """
    grey = Image.fromarray(to_rgb(pixels)).convert("L").resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BOX)
    strengths = (_WAVES @ np.asarray(grey, np.float64) @ _WAVES.T).round(6)  # the same on every machine
    ordered, half = np.sort(strengths, axis=None), strengths.size // 2
    return np.packbits(strengths > (ordered[half - 1] + ordered[half]) / 2).tobytes().hex()


def small_copies(rows: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Returns small copies of pictures: uint8 of shape `(N, 768)` for images of shape `(M, S, S, 3)`, or 4."""
    side = (SMALL_SIDE, SMALL_SIDE)
    copies = np.empty((len(rows), SMALL_SIDE * SMALL_SIDE * 3), np.uint8)
    for place, row in enumerate(rows):
        copies[place] = np.asarray(Image.fromarray(to_rgb(images[row])).resize(side, Image.Resampling.BOX)).ravel()
    return copies


def near_pairs(hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Finds the pictures that look the same.

    Args:
        hashes: uint64 of shape `(N,)`.
        rows: int64 of shape `(N,)`, where each picture stands in `images`.
        images: uint8, `(M, S, S, 3)`.

    Yields:
        Places `i < j` and how far they differ, 0 to `DIFFERENCE`.
    """
    copies = small_copies(rows, images)
    for start in range(0, len(hashes) - 1, AT_ONCE):
        apart = np.bitwise_count(hashes[start : start + AT_ONCE, None] ^ hashes[None, start:])
        first, second = np.nonzero(apart <= BITS)
        later = second > first
        first, second = first[later] + start, second[later] + start
        for begin in range(0, len(first), AT_ONCE):
            i, j = first[begin : begin + AT_ONCE], second[begin : begin + AT_ONCE]
            between = copies[i].astype(np.float32) - copies[j]
            differences = np.sqrt((between**2).mean(axis=1))
            for one, other, difference in zip(i, j, differences, strict=True):
                if difference <= DIFFERENCE:
                    yield int(one), int(other), float(difference)


def near_groups(hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> list[list[int]]:
    """Finds groups of pictures that look the same, each linked to the others by near pairs.

    Args:
        hashes, rows, images: As for `near_pairs`.

    Returns:
        The groups of two and more, each sorted, in the order of their first ones.
    """
    leader = list(range(len(hashes)))

    def lead(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other, _ in near_pairs(hashes, rows, images):
        first, second = sorted((lead(one), lead(other)))
        leader[second] = first
    groups: dict[int, list[int]] = {}
    for place in range(len(hashes)):
        groups.setdefault(lead(place), []).append(place)
    return [group for group in groups.values() if len(group) > 1]
