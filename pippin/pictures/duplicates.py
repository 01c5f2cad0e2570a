"""Pictures that look the same: saved again, resized, or cut a little differently.

Two of them are near copies if two measures say so. A hash of 64 bits, of the signs of the lowest frequencies of the
grey picture, finds candidates quickly and forgives another brightness; the difference of small colour copies rules out
those that share an outline only, such as a red apple and a green one on white. Both thresholds are set by eye: see
docs/pictures.md. (The library ImageHash computes such a hash, and brings SciPy and PyWavelets along for it.)
"""

from collections.abc import Iterator
from functools import cache

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
AT_ONCE = 256  # pictures that are asked for, and pairs whose colours are compared, in one go
CANDIDATES = 2**18  # pairs whose hashes are compared in one go, if no band alone has more: 10 MB
COPIES = 2**15  # small copies that are kept: 25 MB

BANDS = ((0, 2), (16, 2), (32, 2), (48, 1))
"""Shift of a band of 16 bits, and the bits of it in which candidates may differ.

Hashes that differ by 10 bits or fewer cannot differ by 3 or more in each of three bands and by 2 or more in the fourth,
which would be 11: so whoever looks up all bands that near misses nobody."""

LUMA = np.array([0.299, 0.587, 0.114])
"""How much red, green and blue count in grey."""


@cache
def _waves(size: int) -> np.ndarray:
    """Returns the waves of the lowest frequencies, `(FREQUENCIES, size)`.

    Args:
        size: Pixels of the side that they run along, a power of two. They give what those of `HASHED_SIDE` pixels give
            of a picture that is resized to that side, by averaging or repeating pixels.
    """
    places, frequencies = 2 * np.arange(HASHED_SIDE) + 1, np.arange(1, FREQUENCIES + 1)
    waves = np.cos(np.pi * np.outer(frequencies, places) / (2 * HASHED_SIDE))
    if size < HASHED_SIDE:
        return waves.reshape(FREQUENCIES, size, -1).sum(axis=2)
    return np.repeat(waves, size // HASHED_SIDE, axis=1) * (HASHED_SIDE / size)


def likeness(pixels: np.ndarray) -> str:
    """Returns a hash of how a picture looks.

    Args:
        pixels: uint8 of shape `(S, S, 3)`, or 4.

    Returns:
        16 hexadecimal digits, one bit for each of the 8×8 lowest frequencies but the constant ones: whether it is
        stronger than their median.
    """
    waves = _waves(len(pixels))
    strengths = (waves @ (to_rgb(pixels) @ LUMA) @ waves.T).round(6)  # the same on every machine
    ordered, half = np.sort(strengths, axis=None), strengths.size // 2
    return np.packbits(strengths > (ordered[half - 1] + ordered[half]) / 2).tobytes().hex()


def near_groups(hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> list[list[int]]:
    """Finds groups of pictures that look the same, each linked to the others by pairs that do.

    Time grows nearly with the number of pictures, and memory by about 60 bytes a picture, as long as hashes differ as
    those of photographs do. Pictures whose hashes are near and whose colours are not are compared two by two.

    Args:
        hashes: uint64 of shape `(N,)`.
        rows: int64 of shape `(N,)`, where each picture stands in `images`.
        images: uint8, `(M, S, S, 3)`.

    Returns:
        The groups of two and more, each sorted, in the order of their first ones.
    """
    search, groups = _Search(hashes, rows, images), []
    for start in range(0, len(hashes), AT_ONCE):
        asked = np.arange(start, min(start + AT_ONCE, len(hashes)))
        asked = asked[search.left[asked]]
        paired = search.paired(asked)
        search.left[asked[~paired]] = False  # nothing that is left looks like these: so they are alone
        groups += [search.group_of(place) for place in asked[paired].tolist() if search.left[place]]
    return groups


class _Search:
    """The pictures among which twins are looked for.

    Attributes:
        left: bool, which of them are in no group and not known to be alone.
    """

    def __init__(self, hashes: np.ndarray, rows: np.ndarray, images: np.ndarray) -> None:
        self.left = np.ones(len(hashes), bool)
        self._hashes, self._rows, self._images = hashes, rows, images
        self._copies: dict[int, np.ndarray] = {}
        self._sort()

    def paired(self, asked: np.ndarray) -> np.ndarray:
        """Returns which of some pictures have a twin among those that are left."""
        paired = np.zeros(len(asked), bool)
        for which, found in self._candidates(asked):
            for part in range(0, len(which), AT_ONCE):
                ask, find = which[part : part + AT_ONCE], found[part : part + AT_ONCE]
                open_ones = ~paired[ask] & (asked[ask] != find)
                ask, find = ask[open_ones], find[open_ones]
                paired[ask[self._alike(asked[ask], find)]] = True
        return paired

    def group_of(self, place: int) -> list[int]:
        """Takes a picture out of those that are left, with all that it is linked to. Returns their places, sorted."""
        group = [place]
        self.left[place] = False
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
        """Yields places in `asked`, and pictures left whose hashes differ from theirs by no more than `BITS`.

        A pair may come more than once, and a picture is a candidate for itself.
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
                end = max(begin + 1, int(np.searchsorted(ends, ends[begin] + CANDIDATES)))
                some = counts[begin:end]
                which = np.repeat(np.arange(begin, end) // len(masks), some)
                behind = np.repeat(first[begin:end] - (np.cumsum(some) - some), some)
                found = self._members[order[behind + np.arange(len(behind))]]
                near = np.bitwise_count(self._hashes[found] ^ hashes[which]) <= BITS
                near &= self.left[found]
                yield which[near], found[near]
                begin = end

    def _sort(self) -> None:
        """Sorts what is left by each band of its hashes."""
        self._members = np.flatnonzero(self.left).astype(np.int32)
        self._bands = []
        for shift, radius in BANDS:
            bands = _band(self._hashes[self._members], shift)
            starts = np.concatenate([[0], np.cumsum(np.bincount(bands, minlength=2**16))])
            self._bands.append((shift, _masks(radius), np.argsort(bands, kind="stable").astype(np.int32), starts))

    def _alike(self, ones: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Returns in which pairs of pictures the small copies differ by no more than `DIFFERENCE`."""
        between = self._small(ones).astype(np.float32) - self._small(others)
        return np.sqrt((between**2).mean(axis=1)) <= DIFFERENCE

    def _small(self, places: np.ndarray) -> np.ndarray:
        """Returns small copies of pictures: uint8 of shape `(N, 768)`. They are made when they are first needed."""
        if len(self._copies) > COPIES:
            self._copies.clear()
        copies = np.empty((len(places), SMALL_SIDE * SMALL_SIDE * 3), np.uint8)
        for n, place in enumerate(places.tolist()):
            if place not in self._copies:
                picture = Image.fromarray(to_rgb(self._images[self._rows[place]]))
                small = picture.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX)
                self._copies[place] = np.asarray(small).ravel()
            copies[n] = self._copies[place]
        return copies


def _band(hashes: np.ndarray, shift: int) -> np.ndarray:
    """Returns 16 bits of each hash, as uint16."""
    return (hashes >> np.uint64(shift)).astype(np.uint16)


def _masks(radius: int) -> np.ndarray:
    """Returns all numbers of 16 bits that have no more than `radius` ones, as uint16."""
    every = np.arange(2**16, dtype=np.uint16)
    return every[np.bitwise_count(every) <= radius]
