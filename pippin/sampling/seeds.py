"""Seeds, as people write them. Each one makes one picture."""

import re
from collections.abc import Sequence

from pippin.errors import SettingsError

MOST = 100_000
"""Seeds that may be named at once."""


def parse_seeds(text: str) -> list[int]:
    """Read seeds as people write them: `1,2,3`, `10-20` (with both ends), or `1,10-20`.

    Raises:
        SettingsError: it is something else, or names too many.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part, re.ASCII)
        if not match:
            raise SettingsError(f"Give seeds as 1,2,3 or as 10-20. Received: {text}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise SettingsError(f"A range of seeds goes from the smaller to the larger. Received: {part.strip()}")
        if len(seeds) + last - first >= MOST:
            raise SettingsError(f"Give at most {MOST:,} seeds. Received: {text}")
        seeds.extend(range(first, last + 1))
    return check_seeds(seeds)


def format_seeds(seeds: Sequence[int]) -> str:
    """Write seeds so that `parse_seeds` gives the same ones in the same order, and neighbours as a range."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def seeds_from(seed: int, n: int) -> list[int]:
    """Return `n` seeds, the given one first: seed, seed + 1, …

    Raises:
        SettingsError: `n` or one of the seeds is out of range.
    """
    if n < 1:
        raise SettingsError(f"Paint at least one picture. Received: n={n}")
    check_seeds([seed, seed + n - 1] if seed >= 0 else [seed])
    return list(range(seed, seed + n))


def check_seeds(seeds: Sequence[int]) -> list[int]:
    """Return the seeds.

    Raises:
        SettingsError: there are none, or one is out of range.
    """
    if not len(seeds):
        raise SettingsError("Give at least one seed. Received: seeds=[]")
    for seed in seeds:
        if not 0 <= seed < 2**63:
            raise SettingsError(f"A seed must be from 0 to 2⁶³ − 1. Received: seed={seed}")
    return [int(seed) for seed in seeds]
