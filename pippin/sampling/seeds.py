"""Random seeds of generated images, and how they are written in text. Each seed determines one image."""

import re
from collections.abc import Sequence

from pippin.errors import SettingsError
from pippin.settings import check_integer

MOST = 100_000
"""Largest number of seeds in one text. More would fill the memory before the first image is generated."""


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of a text: `1,2,3`, `10-20` (including both ends), or `1,10-20`.

    Raises:
        SettingsError: the text has another form, or names too many seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,20})\s*(?:-\s*(\d{1,20})\s*)?", part, re.ASCII)
        if not match:
            raise SettingsError(f"Give seeds as 1,2,3 or as 10-20. Received: {part[:60]}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise SettingsError(f"A range of seeds must go from the smaller to the larger. Received: {part.strip()}")
        if len(seeds) + last - first >= MOST:
            raise SettingsError(f"Give at most {MOST:,} seeds. Received: {text[:60]}")
        seeds.extend(range(first, last + 1))
    return check_seeds(seeds)


def format_seeds(seeds: Sequence[int]) -> str:
    """Return a text from which `parse_seeds` reads the same seeds in the same order, using ranges."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def seeds_from(seed: int, n: int) -> list[int]:
    """Return `n` consecutive seeds: seed, seed + 1, …

    Raises:
        SettingsError: `n` is not an integer from 1, or a seed is not an integer from 0 to 2⁶³ − 1.
    """
    n, seed = check_integer("n", n, 1), check_seed(seed)
    check_seed(seed + n - 1)
    return list(range(seed, seed + n))


def check_seeds(seeds: Sequence[int]) -> list[int]:
    """Return seeds as a list of Python integers.

    Raises:
        SettingsError: there are none, or one is not an integer from 0 to 2⁶³ − 1.
    """
    if not hasattr(seeds, "__len__") or isinstance(seeds, str):
        raise SettingsError(f"seeds must be a sequence of integers. Received: seeds={seeds!r}")
    if not len(seeds):
        raise SettingsError("Give at least one seed. Received: seeds=[]")
    return [check_seed(seed) for seed in seeds]


def check_seed(seed: int) -> int:
    """Return a seed as a Python integer. Raises a `SettingsError` unless it is an integer from 0 to 2⁶³ − 1."""
    seed = check_integer("seed", seed)
    if not 0 <= seed < 2**63:
        raise SettingsError(f"seed must be from 0 to 2⁶³ − 1. Received: seed={seed}")
    return seed
