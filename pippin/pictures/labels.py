"""Labels of pictures, taken from the folders that hold them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import numpy as np

from pippin.errors import SourceError

FOLDERS = "folders"

NO_FOLDER = "in no folder, so it has no label"

_SPLITS = "train|training|val|valid|validation|dev|test|testing|eval"
SPLIT = re.compile(rf"({_SPLITS})([-_ ]?(set|data|split))?[-_ ]?\d*", re.IGNORECASE)
"""Names of folders that are splits of a dataset: `train`, `Validation`, `test_set`, `val2017`. A single one of them
among other names is taken for a label."""


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
    """Return the folders of pictures as their labels; see `folder_labels`. Pictures without one have that of a split.

    Args:
        paths: Paths with at least one folder each, with forward slashes.

    Raises:
        SourceError: If all of them are in one folder, or some of the folders are splits.
    """
    labels = [label or path.split("/")[-2] for path, label in zip(paths, folder_labels(paths)[0], strict=True)]
    names = tuple(sorted(set(labels)))
    numbers = {name: number for number, name in enumerate(names)}
    return Labels(names, np.array([numbers[label] for label in labels], np.int64))


def folder_labels(paths: Sequence[str]) -> tuple[list[str | None], tuple[str, ...]]:
    """Return the label of each picture from its folders, and the names of folders that are splits of the dataset.

    The label is the first folder that is not common to all paths. Splits, such as `train` and `test`, are left out:
    the labels are the folders below them.

    Args:
        paths: Paths, with forward slashes or backslashes.

    Returns:
        A label for each path, None if it is in no folder, or directly in one that is a split; and the splits.

    Raises:
        SourceError: If all of them are in one folder, or some folders are splits and others beside them are not.
    """
    folders = [path.replace("\\", "/").split("/")[:-1] for path in paths]
    found: dict[str, None] = {}
    while True:
        common = len(list(takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))))
        names = sorted({parts[common] for parts in folders if len(parts) > common})
        splits = [name for name in names if SPLIT.fullmatch(name)]
        if len(splits) < 2:
            break
        if splits != names:
            others = ", ".join(name for name in names if name not in splits)
            raise SourceError(
                f"Some folders are splits of the dataset ({', '.join(splits)}), and others are not ({others}); give "
                "one of them as SOURCE, move the others, or leave out --labels. Received: labels=folders"
            )
        found.update(dict.fromkeys(splits))
        folders = [parts[:common] + parts[common + 1 :] for parts in folders]
    without = [parts[:common] for parts in folders] if found else folders  # a picture directly in a split has no label
    labels = [
        parts[common] if len(parts) > common else (shared[-1] if shared and not found else None)
        for parts, shared in zip(folders, without, strict=True)
    ]
    if len(set(labels) - {None}) < 2:
        received = ", ".join(sorted({label for label in labels if label is not None})) or "none"
        below = f" below the splits {', '.join(found)}" if found else ""
        raise SourceError(
            f"Labels from folders need at least two folders, one for each label; leave out --labels. "
            f"Received: {received}{below}"
        )
    return labels, tuple(found)
