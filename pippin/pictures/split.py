"""The split of a dataset into a training set and a held-out set."""

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from pippin.pictures.labels import Labels

MIN_TO_SPLIT = 200
"""Number of pictures from which some are held out. With fewer, each is worth more in training than in evaluation."""

MIN_HELD_OUT, MAX_HELD_OUT = 40, 2048
"""Smallest and largest held-out set, in pictures. With fewer than 40, scores would mostly be noise; more than 2,048
would make them hardly more precise, and training would lose those pictures."""


def split(count: int, held_out: float, linked: Sequence[Sequence[int]] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Split a dataset. The split depends on no seed, so that all runs are evaluated with the same pictures.

    Args:
        count: Number of pictures.
        held_out: Share to hold out, 0 to 0.5; 0 holds out nothing.
        linked: Groups of pictures that must stay together because they show the same. Otherwise memorised pictures
            would improve the scores. Each picture is in one group at most.

    Returns:
        The indices of the training set and of the held-out set, int64, sorted. Nothing is held out of fewer than 200
        pictures. A group that is larger than the rest of the held-out set goes into the training set, so with groups
        slightly fewer pictures may be held out.
    """
    if held_out == 0 or count < MIN_TO_SPLIT:
        return np.arange(count), np.arange(0)
    size = min(MAX_HELD_OUT, max(MIN_HELD_OUT, round(held_out * count)))
    group_of = {picture: number for number, group in enumerate(linked) for picture in group}
    chosen: set[int] = set()
    for picture in map(int, np.random.default_rng(0).permutation(count)):
        group = linked[group_of[picture]] if picture in group_of else (picture,)
        if picture not in chosen and len(chosen) + len(group) <= size:
            chosen.update(group)
    is_held_out = np.zeros(count, bool)
    is_held_out[list(chosen)] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def merge_groups(groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Merge groups that share a picture, so that each picture is in one group at most.

    Args:
        groups: Groups of any pictures.

    Returns:
        The merged groups of two or more pictures, each sorted.
    """
    group_of: dict[int, list[int]] = {}  # picture → its merged group; all its members refer to the same list
    for group in groups:
        parts = {id(part): part for part in (group_of.get(picture, [picture]) for picture in group)}
        merged = sorted({picture for part in parts.values() for picture in part})
        group_of.update(dict.fromkeys(merged, merged))
    return [merged for picture, merged in group_of.items() if picture == merged[0] and len(merged) > 1]


class Subset:
    """Some images of a dataset, read into memory only when they are accessed.

    Args:
        images: uint8 (N, S, S, C).
        indices: int64 (M,), the images of the subset.
        labels: The labels of all N images; None if they have none.

    Attributes:
        labels: The labels of the subset; None if there are none.
    """

    def __init__(self, images: np.ndarray, indices: np.ndarray, labels: Labels | None = None) -> None:
        self.images, self.indices = images, indices
        self.labels = labels[indices] if labels is not None else None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, positions: Any) -> np.ndarray:
        images = self.images[self.indices[positions]]
        _release_pages(self.images)
        return images

    def sample(self, most: int, seed: int = 0) -> np.ndarray:
        """Return all images of the subset if there are at most `most`, else that many random ones, in their order."""
        return self[self.sample_positions(most, seed)]

    def sample_positions(self, most: int, seed: int = 0) -> np.ndarray:
        """Return the positions of the images that `sample` returns: int64."""
        if len(self) <= most:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))


def _release_pages(images: np.ndarray) -> None:
    """Release the memory of a mapped file if the system can. Otherwise a process seems to hold all that it read."""
    base: Any = images
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
