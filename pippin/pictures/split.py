"""Which pictures are learnt from, and which are kept aside to judge by."""

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from pippin.pictures.labels import Labels

ENOUGH = 200
"""Pictures from which on some are held out; of fewer, each one is worth more to the learning than to the judging."""

LEAST, MOST = 40, 2048
"""Pictures that are held out at the least, so that a score means something, and at the most."""


def split(count: int, held_out: float, ties: Sequence[Sequence[int]] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Part a dataset, always in the same way, so that runs with other seeds are judged by the same pictures.

    Args:
        count: pictures there are.
        held_out: share of them to hold out, 0 to 0.5; 0 means none.
        ties: groups of pictures that must stay together, since they show the same: one that is held out while another
            is learnt from would be judged by what was learnt by heart. Each picture is in one group at most.

    Returns:
        Which to learn from and which are held out, int64, sorted; nothing is held out of fewer than 200. A group that
        is larger than what is still to be held out is learnt from, so with ties a few fewer may be held out.
    """
    if held_out == 0 or count < ENOUGH:
        return np.arange(count), np.arange(0)
    aside = min(MOST, max(LEAST, round(held_out * count)))
    group = {picture: number for number, pictures in enumerate(ties) for picture in pictures}
    chosen: set[int] = set()
    for picture in map(int, np.random.default_rng(0).permutation(count)):
        together = ties[group[picture]] if picture in group else (picture,)
        if picture not in chosen and len(chosen) + len(together) <= aside:
            chosen.update(together)
    is_aside = np.zeros(count, bool)
    is_aside[list(chosen)] = True
    return np.flatnonzero(~is_aside), np.flatnonzero(is_aside)


def merged(groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Join groups that share a picture, so that each picture is in one group at most.

    Args:
        groups: of any pictures.

    Returns:
        The groups of two pictures and more, each sorted.
    """
    whole: dict[int, list[int]] = {}  # picture → all that must stay with it, one list for all of those
    for group in groups:
        parts = {id(part): part for part in (whole.get(picture, [picture]) for picture in group)}
        joined = sorted({picture for part in parts.values() for picture in part})
        whole.update(dict.fromkeys(joined, joined))
    return [joined for picture, joined in whole.items() if picture == joined[0] and len(joined) > 1]


class Subset:
    """Some of a dataset's pictures, in memory only when they are asked for.

    Args:
        images: uint8 (N, S, S, C).
        chosen: int64 (M,), which of them.
        labels: of all of them; None where they have none.

    Attributes:
        labels: of those that are chosen.
    """

    def __init__(self, images: np.ndarray, chosen: np.ndarray, labels: Labels | None = None) -> None:
        self.images, self.chosen = images, chosen
        self.labels = labels[chosen] if labels is not None else None

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, indices: Any) -> np.ndarray:
        taken = self.images[self.chosen[indices]]
        _let_go(self.images)
        return taken

    def some(self, most: int, seed: int = 0) -> np.ndarray:
        """Return at most so many of them, in their order: all, or as many drawn by a seed."""
        return self[self.drawn(most, seed)]

    def drawn(self, most: int, seed: int = 0) -> np.ndarray:
        """Return which ones `some` gives: int64."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))


def _let_go(images: np.ndarray) -> None:
    """Give pages of a mapped file back, where the system can; else a process seems to hold all it ever read of it."""
    behind: Any = images
    while isinstance(behind, np.ndarray):
        behind = behind.base
    if isinstance(behind, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        behind.madvise(mmap.MADV_DONTNEED)
