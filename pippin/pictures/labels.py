"""Labels of pictures, taken from the folders that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np

from pippin.errors import SourceError

FOLDERS = "folders"

NO_FOLDER = "in no folder, so it has no label"


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of N pictures.

    Attributes:
        names: The K labels, sorted.
        indices: int64 (N,), the index of each picture's label in `names`.
    """

    names: tuple[str, ...]
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of pictures with each label: int64 (K,)."""
        return np.bincount(self.indices, minlength=len(self))

    @cached_property
    def shares(self) -> np.ndarray:
        """Probability with which each label is drawn: float64 (K,), proportional to the square root of its count.

        With equal probabilities, the few pictures of a rare label would be drawn so often that they are soon memorised.
        In proportion to the counts, a rare label would hardly be learned.
        """
        roots = np.sqrt(self.counts)
        return roots / roots.sum()

    @cached_property
    def members(self) -> tuple[np.ndarray, ...]:
        """The indices of the pictures with each label: K arrays of int64."""
        return tuple(np.flatnonzero(self.indices == label) for label in range(len(self)))

    def __getitem__(self, chosen: np.ndarray) -> "Labels":
        """Return the labels of some of the pictures."""
        return Labels(self.names, self.indices[chosen])

    def summary(self) -> str:
        """Return one line with each label, the number of its pictures, and the probability that it is drawn."""
        each = zip(self.names, self.counts, self.shares, strict=True)
        listed = ", ".join(f"{name} {count:,} ({share:.0%})" for name, count, share in each)
        return f"{len(self)} labels, drawn in proportion to the square root of their counts: {listed}"


def one_hot(indices: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Return labels as the networks take them: float32 (N, count), 1 at each label's index and 0 elsewhere."""
    return np.eye(count, dtype=np.float32)[np.asarray(indices)]


def cycle_labels(numbers: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Return default labels for generated pictures: int64 (N,), each one's number or seed modulo the label count."""
    return np.array([int(number) % count for number in numbers], np.int64)


def from_folders(paths: Sequence[str]) -> Labels:
    """Return the folders of pictures as their labels: for each, the first folder that is not common to all paths.

    Args:
        paths: Paths with at least one folder each, with forward slashes.

    Raises:
        SourceError: If all of them are in one folder.
    """
    folders = [path.split("/")[:-1] for path in paths]
    common = len(list(takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))))
    labels = ["/".join(parts[common : common + 1]) or parts[-1] for parts in folders]
    names = tuple(sorted(set(labels)))
    if len(names) < 2:
        raise SourceError(
            "Labels from folders need at least two folders, one for each label; leave out --labels. "
            f"Received: {', '.join(names) or 'none'}"
        )
    numbers = {name: number for number, name in enumerate(names)}
    return Labels(names, np.array([numbers[label] for label in labels], np.int64))
