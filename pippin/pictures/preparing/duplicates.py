"""Pictures that look the same: saved again, resized, or cropped slightly differently.

Two pictures are near copies if two measures agree. A hash of 64 bits, the signs of the lowest frequencies of the grey
picture, finds candidates quickly and ignores changes of brightness. The difference between small colour copies excludes
pictures that only share an outline, such as a red apple and a green one on white. Both thresholds were chosen by
inspection; see docs/pictures.md. (The library ImageHash computes such a hash, but depends on SciPy and PyWavelets.)
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

from pippin.pictures.channels import to_rgb

MAX_BITS = 10
"""Of 64. Largest number of bits in which the hashes of candidates differ; see docs/pictures.md."""

MAX_DIFFERENCE = 20.0
"""Of 255. Largest root mean square difference between the small copies of near copies; see docs/pictures.md."""

HASHED_SIDE = 32
"""Side in pixels of the grey picture that the hash is defined on."""

FREQUENCIES = 8
"""Number of frequencies along each side that make the hash: 8 × 8 are its 64 bits."""

SMALL_SIDE = 16
"""Side in pixels of the small colour copies."""

AT_ONCE = 256
"""Pictures that are searched for, and pairs whose colours are compared, at a time."""

CANDIDATES_AT_ONCE = 2**18
"""Pairs whose hashes are compared at a time, unless a single band has more: 10 MB."""

CACHED_COPIES = 2**15
"""Small copies that are kept in memory: 25 MB."""

BANDS = ((0, 2), (16, 2), (32, 2), (48, 1))
"""Shift of each band of 16 bits, and the number of its bits in which candidates may differ.

Two hashes that differ in every band by more than that differ in at least 3 + 3 + 3 + 2 = 11 bits. So a search for bands
that are this close finds every pair that differs in at most 10 bits."""

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in grey."""


@cache
def _cosines(size: int) -> np.ndarray:
    """Return the cosines of the lowest frequencies, `(FREQUENCIES, size)`.

    Args:
        size: Side of the picture in pixels, a power of two. The result is the same as for a picture that is first
            resized to `HASHED_SIDE` by averaging or repeating pixels.
    """
    positions, frequencies = 2 * np.arange(HASHED_SIDE) + 1, np.arange(1, FREQUENCIES + 1)
    cosines = np.cos(np.pi * np.outer(frequencies, positions) / (2 * HASHED_SIDE))
    if size < HASHED_SIDE:
        return cosines.reshape(FREQUENCIES, size, -1).sum(axis=2)
    return np.repeat(cosines, size // HASHED_SIDE, axis=1) * (HASHED_SIDE / size)


def perceptual_hash(pixels: np.ndarray) -> str:
    """Return a hash of the appearance of a picture.

    Args:
        pixels: uint8 `(S, S, 3 | 4)`.

    Returns:
        16 hexadecimal digits, one bit for each of the 8×8 lowest frequencies without the constant ones: whether its
        strength is above their median.
    """
    cosines = _cosines(len(pixels))
    strengths = (cosines @ (to_rgb(pixels) @ LUMA) @ cosines.T).round(6)  # the same on all machines
    ordered, half = np.sort(strengths, axis=None), strengths.size // 2
    return np.packbits(strengths > (ordered[half - 1] + ordered[half]) / 2).tobytes().hex()


def near_groups(hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> list[list[int]]:
    """Find groups of pictures that look the same. Each is linked to the others of its group by pairs of near copies.

    The time grows nearly linearly with the number of pictures, and the memory by about 60 bytes for each, as long as
    the hashes differ as much as those of photographs. Pictures with similar hashes and different colours are compared
    pair by pair.

    Args:
        hashes: uint64 `(N,)`.
        rows: int64 `(N,)`, the row of each picture in `images`.
        images: uint8 `(M, S, S, 3 | 4)`.

    Returns:
        The groups of two or more pictures, each sorted, in the order of their first pictures.
    """
    search, groups = _Search(hashes, rows, images), []
    for start in range(0, len(hashes), AT_ONCE):
        asked = np.arange(start, min(start + AT_ONCE, len(hashes)))
        asked = asked[search.left[asked]]
        paired = search.paired(asked)
        search.left[asked[~paired]] = False  # no other picture that is left looks like these
        groups += [search.group_of(number) for number in asked[paired].tolist() if search.left[number]]
    return groups


class _Search:
    """A search for near copies.

    Attributes:
        left: bool `(N,)`, the pictures that may still have a near copy and are in no group.
    """

    def __init__(self, hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> None:
        self.left = np.ones(len(hashes), bool)
        self._hashes, self._rows, self._images = hashes, rows, images
        self._copies: dict[int, np.ndarray] = {}
        self._sort()

    def paired(self, asked: np.ndarray) -> np.ndarray:
        """Return which of the pictures `asked` have a near copy among those that are left."""
        paired = np.zeros(len(asked), bool)
        for which, found in self._candidates(asked):
            for part in range(0, len(which), AT_ONCE):
                ask, find = which[part : part + AT_ONCE], found[part : part + AT_ONCE]
                open_ones = ~paired[ask] & (asked[ask] != find)
                ask, find = ask[open_ones], find[open_ones]
                paired[ask[self._alike(asked[ask], find)]] = True
        return paired

    def group_of(self, number: int) -> list[int]:
        """Remove a picture and all that it is linked to from those that are left, and return their numbers, sorted."""
        group = [number]
        self.left[number] = False
        done = 0
        while done < len(group):
            asked = np.array(group[done : done + AT_ONCE])
            done += len(asked)
            for which, found in self._candidates(asked):
                for part in range(0, len(which), AT_ONCE):
                    ask, find = which[part : part + AT_ONCE], found[part : part + AT_ONCE]
                    ask, find = ask[self.left[find]], find[self.left[find]]
                    new = np.unique(find[self._alike(asked[ask], find)])
                    self.left[new] = False
                    group += new.tolist()
        return sorted(group)

    def _candidates(self, asked: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield pairs of a position in `asked` and a picture that is left, whose hashes differ by at most `MAX_BITS`.

        A pair may occur more than once, and a picture is a candidate for itself.
        """
        if 2 * np.count_nonzero(self.left) < len(self._members):
            self._sort()
        hashes = self._hashes[asked]
        for shift, masks, order, starts in self._bands:
            bands = (_band(hashes, shift)[:, None] ^ masks).ravel()
            first, counts = starts[:-1][bands], np.diff(starts)[bands]
            ends = np.cumsum(counts)
            begin = 0
            while begin < len(bands):
                end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + CANDIDATES_AT_ONCE)))
                some = counts[begin:end]
                which = np.repeat(np.arange(begin, end) // len(masks), some)
                behind = np.repeat(first[begin:end] - (np.cumsum(some) - some), some)
                found = self._members[order[behind + np.arange(len(behind))]]
                near = np.bitwise_count(self._hashes[found] ^ hashes[which]) <= MAX_BITS
                near &= self.left[found]
                yield which[near], found[near]
                begin = end

    def _sort(self) -> None:
        """Sort the pictures that are left by each band of their hashes."""
        self._members = np.flatnonzero(self.left).astype(np.int32)
        self._bands = []
        for shift, radius in BANDS:
            bands = _band(self._hashes[self._members], shift)
            starts = np.concatenate([[0], np.cumsum(np.bincount(bands, minlength=2**16))])
            self._bands.append((shift, _masks(radius), np.argsort(bands, kind="stable").astype(np.int32), starts))

    def _alike(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return for which pairs of pictures the small copies differ by at most `MAX_DIFFERENCE`."""
        between = self._small(ones).astype(np.float32) - self._small(others)
        return np.sqrt((between**2).mean(axis=1)) <= MAX_DIFFERENCE

    def _small(self, numbers: np.ndarray) -> np.ndarray:
        """Return small copies of pictures: uint8 `(N, 768)`. Each is computed when it is first needed."""
        if len(self._copies) > CACHED_COPIES:
            self._copies.clear()
        copies = np.empty((len(numbers), SMALL_SIDE * SMALL_SIDE * 3), np.uint8)
        for n, number in enumerate(numbers.tolist()):
            if number not in self._copies:
                picture = Image.fromarray(to_rgb(self._images[self._rows[number]]))
                small = picture.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX)
                self._copies[number] = np.asarray(small).ravel()
            copies[n] = self._copies[number]
        return copies


def _band(hashes: np.ndarray, shift: int) -> np.ndarray:
    """Return 16 bits of each hash, as uint16."""
    return (hashes >> np.uint64(shift)).astype(np.uint16)


def _masks(radius: int) -> np.ndarray:
    """Return all numbers of 16 bits that have at most `radius` ones, as uint16."""
    every = np.arange(2**16, dtype=np.uint16)
    return every[np.bitwise_count(every) <= radius]
