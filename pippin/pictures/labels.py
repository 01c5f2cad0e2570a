"""What kind each picture is of, where somebody says so: the folders that pictures lie in."""

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
    """The labels of pictures.

    Attributes:
        names: what they are called, sorted.
        of: int64 (N,), each picture's place in `names`.
    """

    names: tuple[str, ...]
    of: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many pictures have each label: int64 (K,)."""
        return np.bincount(self.of, minlength=len(self))

    @cached_property
    def shares(self) -> np.ndarray:
        """How often each label is drawn: float64 (K,), in proportion to the square root of how many pictures have it.

        Drawn evenly, a rare kind's few pictures would come so often that they are soon known by heart; drawn as they
        come, it would hardly be learnt.
        """
        roots = np.sqrt(self.counts)
        return roots / roots.sum()

    @cached_property
    def places(self) -> tuple[np.ndarray, ...]:
        """The pictures of each label."""
        return tuple(np.flatnonzero(self.of == label) for label in range(len(self)))

    def __getitem__(self, chosen: np.ndarray) -> "Labels":
        """The labels of some of the pictures."""
        return Labels(self.names, self.of[chosen])

    def line(self) -> str:
        """Returns how many pictures have each label, for people, and how often it is drawn."""
        each = zip(self.names, self.counts, self.shares, strict=True)
        named = ", ".join(f"{name} {count:,} ({share:.0%})" for name, count, share in each)
        return f"{len(self)} labels, drawn by the square root of how many pictures have them: {named}"


def one_hot(which: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Returns labels as networks get them: float32 (N, count), 1 in the place of each one's label and 0 elsewhere."""
    return np.eye(count, dtype=np.float32)[np.asarray(which)]


def in_turn(numbers: np.ndarray | Sequence[int], count: int) -> np.ndarray:
    """Returns the labels of pictures for which none is asked, int64 (N,): 0, 1, …, by their numbers (or seeds)."""
    return np.array([int(number) % count for number in numbers], np.int64)


def from_folders(paths: Sequence[str]) -> Labels:
    """Takes the folders that pictures lie in for their labels: the first one below those that all have in common.

    Args:
        paths: each with at least one folder, with forward slashes.

    Raises:
        SourceError: all lie in one folder.
    """
    folders = [path.split("/")[:-1] for path in paths]
    common = len(list(takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))))
    found = ["/".join(parts[common : common + 1]) or parts[-1] for parts in folders]
    names = tuple(sorted(set(found)))
    if len(names) < 2:
        raise SourceError(
            "Labels from folders need at least two folders, one for each kind; leave out --labels. "
            f"Received: {', '.join(names) or 'none'}"
        )
    places = {name: place for place, name in enumerate(names)}
    return Labels(names, np.array([places[name] for name in found], np.int64))
