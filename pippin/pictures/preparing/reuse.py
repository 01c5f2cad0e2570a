"""What was prepared of the same source before, or on another machine, and need not be prepared again."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pippin.errors import SettingsError
from pippin.host.text import is_number
from pippin.pictures.dataset import Dataset
from pippin.pictures.entries import Entry
from pippin.pictures.preparing.cache import REPLACED_PREFIX, SHARD_PREFIX, WORKING_PREFIX, reading, reopen
from pippin.pictures.sources import SourceItem


class Shard:
    """One of several parts of a preparation, which may be done on different machines.

    Args:
        text: The part's number and how many there are, such as `"2/4"`.

    Raises:
        SettingsError: If the text has another form.
    """

    def __init__(self, text: str) -> None:
        number, _, count = text.partition("/")
        if not (is_number(number) and is_number(count) and 1 <= int(number) <= int(count)):
            raise SettingsError(
                f"shard must be the number of a part and how many there are, such as 2/4. Received: shard={text}"
            )
        self.number, self.count = int(number), int(count)

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    def of(self, items: Sequence[SourceItem]) -> Sequence[SourceItem]:
        """Return the items of this part."""
        return items[len(items) * (self.number - 1) // self.count : len(items) * self.number // self.count]


class ReusableEntries:
    """The pictures that were prepared from this or an earlier state of a source, as a whole or in shards.

    Args:
        source_dir: The source's folder in the cache.
        name: The hash of the present state of the source. What was prepared of it is reusable for every kind of source;
            anything else only for files, whose size and modification time tell whether they have changed.
        notes: Damage to earlier preparations is added to this list.
    """

    def __init__(self, source_dir: Path, name: str, notes: list[str] | None = None) -> None:
        self.bits: int | None = None  # of the values of deep pictures in the preparation that asks
        self.earlier_bits: int | None = None  # of those in the earlier preparations
        self._known: dict[str, tuple[Dataset, int]] = {}  # path → its dataset, and its number there
        self._current: set[str] = set()  # paths of the source's present state
        with reading(source_dir):
            folders = sorted(source_dir.iterdir(), key=lambda folder: (folder.stat().st_mtime_ns, folder.name))
        for folder in folders:
            if folder.name.startswith((WORKING_PREFIX, REPLACED_PREFIX)) or (dataset := reopen(folder, notes)) is None:
                continue
            self.earlier_bits = max(self.earlier_bits or 0, dataset.manifest.get("bits") or 0) or None
            is_current = folder.name == name or folder.name.startswith(SHARD_PREFIX + name)
            for n, entry in enumerate(dataset.files):
                if (is_current or entry.mtime_ns) and entry.path not in self._current:
                    self._known[entry.path] = dataset, n
                    if is_current:
                        self._current.add(entry.path)

    def __bool__(self) -> bool:
        return bool(self._known)

    def __contains__(self, item: SourceItem) -> bool:
        if item.path not in self._known or item.problem:
            return False
        dataset, n = self._known[item.path]
        entry = dataset.files[n]
        if entry.is_unread or (entry.copy is not None and entry.index is None):
            return False  # a copy was left out, and its original may be gone
        if entry.highest is not None and dataset.manifest.get("bits") != self.bits:
            return False  # it has another scale
        return item.path in self._current or (entry.bytes, entry.mtime_ns) == (item.bytes, item.mtime_ns)

    def __getitem__(self, item: SourceItem) -> tuple[Entry, np.ndarray | None]:
        """Return what `prepare_item` returned for the item at the time."""
        dataset, n = self._known[item.path]
        entry = dataset.files[n]
        squares = dataset.stored[entry.rows.start : entry.rows.stop] if entry.index is not None else None
        return dataclasses.replace(entry, index=None, copy=None, copy_of=None, label=None), squares
