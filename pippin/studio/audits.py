"""The result of an audit as lists of pictures that a page can show part by part."""

import threading
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from pippin.host.text import printable
from pippin.pictures import Dataset
from pippin.pictures.entries import KEPT, MENDED, REFUSED, Entry
from pippin.pictures.preparing.cache import cache_folder
from pippin.studio.sheets import encoded
from pippin.studio.stored import Stored

STATUSES = ("all", "kept", "repaired", "refused", "duplicate", "outlier", "unusual", "left_out")
"""The lists of pictures that can be asked for."""

_STATUS_OF_VERDICT = {KEPT: "kept", MENDED: "repaired", REFUSED: "refused"}


class StoredAudit(Stored):
    """What the studio stores about an audit.

    Attributes:
        folder: the folder of the prepared pictures in the cache.
        image_size: their side in pixels.
        preparation: the options that differ from their defaults.
        outliers: path → score.
        lines, outlook, compared: see `pippin.auditing.Inspection`.
        searched: whether outliers were searched.
        can_leave_out: whether files of the source can be left out.
    """

    folder: str
    image_size: int
    preparation: dict[str, Any] = Field(default={})
    outliers: dict[str, float] = Field(default={})
    lines: list[str] = Field(default=[])
    outlook: str = ""
    compared: int = 0
    searched: bool = False
    can_leave_out: bool = False


class SetAudit:
    """The audit of a picture set.

    Args:
        stored: what is stored about it.
        dataset: the prepared pictures.
        thumbnails: path → PNG of refused files.
    """

    def __init__(self, stored: StoredAudit, dataset: Dataset, thumbnails: dict[str, bytes]) -> None:
        self.stored, self.dataset, self._thumbnails = stored, dataset, thumbnails
        self._lock = threading.Lock()

    @classmethod
    def reopen(cls, stored: StoredAudit, thumbnails: dict[str, bytes] | None = None) -> "SetAudit | None":
        """Return an audit whose pictures are still in the cache, or None."""
        folder = Path(stored.folder)
        if not folder.resolve().is_relative_to(cache_folder(None).resolve()):
            return None
        try:
            return cls(stored, Dataset.open(folder), thumbnails or {})
        except (OSError, ValueError):
            return None

    @property
    def id(self) -> str:
        """The id of the audit, which differs after the pictures changed."""
        return f"{self.dataset.fingerprint[:12]}{len(self.dataset.files):x}"

    def summary(self, left_out: set[str]) -> dict[str, Any]:
        """Return the summary as the page gets it."""
        return {
            "audit": self.id,
            "image_size": self.stored.image_size,
            "counts": self.counts(left_out),
            "lines": self.stored.lines,
            "outlook": self.stored.outlook,
            "compared": self.stored.compared,
            "searched": self.stored.searched,
            "can_leave_out": self.stored.can_leave_out,
            "preparation": self.stored.preparation,
        }

    def counts(self, left_out: set[str]) -> dict[str, int]:
        """Return the number of pictures in each list of `STATUSES`."""
        counts = {status: len(found) for status, found in self._numbers.items()}
        return {**counts, "left_out": len(self._left_out(left_out))}

    def page(self, status: str, search: str, offset: int, limit: int, left_out: set[str]) -> tuple[int, list[Any]]:
        """Return the number of pictures of a list, and a part of it as the page gets it."""
        numbers = self._left_out(left_out) if status == "left_out" else self._numbers[status]
        if search:
            wanted, paths = search.casefold(), self._searchable
            numbers = [n for n in numbers if wanted in paths[n]]
        return len(numbers), [self.picture(n, left_out) for n in numbers[offset : offset + limit]]

    def picture(self, n: int, left_out: set[str]) -> dict[str, Any]:
        """Return one picture as the page gets it."""
        entry = self.entry(n)
        return {
            "n": n,
            "path": printable(entry.path),
            "status": _STATUS_OF_VERDICT.get(entry.verdict, "refused"),
            "duplicate": entry.copy,
            "copy_of": None if entry.copy_of is None else printable(entry.copy_of),
            "outlier": self.stored.outliers.get(entry.path),
            "reasons": [printable(reason) for reason in entry.reasons],
            "warnings": [printable(warning) for warning in entry.warnings],
            "left_out": (entry.file or entry.path) in left_out,
            "crops": entry.crops,
            "width": entry.width,
            "height": entry.height,
            "format": entry.format,
            "label": None if entry.label is None else printable(entry.label),
            "has_thumbnail": entry.index is not None or (entry.file or entry.path) in self._thumbnails,
        }

    def entry(self, n: int) -> Entry:
        """Return the entry of a picture."""
        return self.dataset.audit.entries[n]

    def files(self) -> Iterable[str]:
        """Return the paths of all files, each once, in their order."""
        return dict.fromkeys(entry.file or entry.path for entry in self.dataset.audit.entries)

    def thumbnail(self, n: int, crop: int = 0) -> bytes | None:
        """Return a prepared picture, or the thumbnail of a refused one, as a PNG; None if there is none."""
        entry = self.entry(n)
        if entry.index is None:
            return self._thumbnails.get(entry.file or entry.path)
        return encoded(self.dataset.images[entry.index + crop]) if crop < entry.crops else None

    def _left_out(self, left_out: set[str]) -> list[int]:
        return [n for n in map(self._by_file.get, sorted(left_out)) if n is not None] if left_out else []

    @cached_property
    def _by_file(self) -> dict[str, int]:
        """File → the number of its first picture."""
        found: dict[str, int] = {}
        for n, entry in enumerate(self.dataset.audit.entries):
            found.setdefault(entry.file or entry.path, n)
        return found

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        """Status → the numbers of the pictures in that list."""
        found: dict[str, list[int]] = {status: [] for status in STATUSES}
        outliers = self.stored.outliers
        for n, entry in enumerate(self.dataset.audit.entries):
            found["all"].append(n)
            if entry.copy is not None:
                found["duplicate"].append(n)
            if entry.copy is None or entry.verdict != REFUSED:
                found[_STATUS_OF_VERDICT.get(entry.verdict, "refused")].append(n)
            if entry.warnings:
                found["unusual"].append(n)
            if entry.path in outliers:
                found["outlier"].append(n)
        entries = self.dataset.audit.entries
        found["outlier"].sort(key=lambda n: -outliers[entries[n].path])
        return found

    @cached_property
    def _searchable(self) -> list[str]:
        """The paths of all pictures without regard to case."""
        return [entry.path.casefold() for entry in self.dataset.audit.entries]
