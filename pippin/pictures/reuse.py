"""What was prepared of the same source before, or by another machine, and need not be done again."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pippin.errors import SettingsError
from pippin.pictures.dataset import Dataset, reopen
from pippin.pictures.sources import SourceItem
from pippin.pictures.verdicts import Entry

MAKING = "making-"
"""Begins the name of a folder in which a preparation is under way."""

SHARD = "shard-"
"""Begins the name of a folder with a part of a preparation: its squares and entries, copies and all."""


class Shard:
    """One of several parts of a preparation, which may be done on other machines.

    Args:
        text: Such as `"2/4"`: the second of four.

    Raises:
        SettingsError: If it is something else.
    """

    def __init__(self, text: str) -> None:
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise SettingsError(f"A shard is a number of so many, such as 2/4. Received: shard={text}")
        self.number, self.count = int(number), int(count)

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    def of(self, files: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """Returns this part of the files."""
        return files[len(files) * (self.number - 1) // self.count : len(files) * self.number // self.count]


class Earlier:
    """The pictures that were prepared from this or an earlier state of a source, in whole or in shards.

    Args:
        shelf: The folder that may hold them.
        name: What the source's state is called: a shard of it holds for every kind of source.
    """

    def __init__(self, shelf: Path, name: str) -> None:
        self._known: dict[str, tuple[Dataset, int]] = {}  # path → where it is, and its place there
        self._same: set[str] = set()  # paths that are known of the very same state
        for place in sorted(shelf.iterdir()):
            if place.name.startswith(MAKING) or not (dataset := reopen(place)):
                continue
            same = place.name.startswith(SHARD + name)
            for n, entry in enumerate(dataset.files):
                if (same or entry.mtime_ns) and entry.path not in self._same:
                    self._known[entry.path] = dataset, n
                    if same:
                        self._same.add(entry.path)

    def __bool__(self) -> bool:
        return bool(self._known)

    def knows(self, found: SourceItem) -> bool:
        """Whether a file is unchanged. What was left out as a copy is read again: its original may be gone."""
        if found.path not in self._known or found.problem:
            return False
        dataset, n = self._known[found.path]
        entry = dataset.files[n]
        if entry.copy is not None and entry.index is None:
            return False
        return found.path in self._same or (entry.bytes, entry.mtime_ns) == (found.bytes, found.mtime_ns)

    def made(self, found: SourceItem) -> tuple[Entry, np.ndarray | None]:
        """Returns what was made of it then, as `prepare_one` would."""
        dataset, n = self._known[found.path]
        entry = dataset.files[n]
        squares = dataset.stored[entry.rows.start : entry.rows.stop] if entry.index is not None else None
        return dataclasses.replace(entry, index=None, copy=None, copy_of=None, label=None), squares
