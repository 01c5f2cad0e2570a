"""A file of a run with a JSON object on each line, which grows at its end: only what is new is read and parsed."""

import threading
from pathlib import Path
from typing import Any

from pippin.errors import RunError
from pippin.host.own_files import open_own
from pippin.runs.documents import MAX_BYTES, Document, checked, parse, without_line_checksum

COMPARED_BYTES = 256
"""Bytes before the new ones that are compared, because a run that returns to its last checkpoint cuts its log."""


class GrowingFile:
    """The lines of a file.

    Args:
        path: the file. There may be none yet.
        kind: what each line holds.
    """

    def __init__(self, path: Path, kind: type[Document]) -> None:
        self._path, self._kind = path, kind
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._lines: list[bytes] = []
        self._entries: list[dict[str, Any] | None] = []
        self._size, self._end = 0, b""

    def lines(self) -> list[bytes]:
        """Return the complete lines."""
        with self._lock:
            self._read_new_lines()
            return self._lines

    def _read_new_lines(self) -> None:
        try:
            with open_own(self._path) as file:
                file.seek(max(0, self._size - len(self._end)))
                if file.read(len(self._end)) != self._end:
                    self._forget()
                    file.seek(0)
                added = file.read(MAX_BYTES - self._size)
        except (OSError, RunError):
            self._forget()
            return
        added = added[: added.rfind(b"\n") + 1]  # the last line may be incomplete
        self._lines += added.splitlines()
        self._size += len(added)
        self._end = (self._end + added)[-COMPARED_BYTES:]

    def entries(self) -> list[dict[str, Any]]:
        """Return what all lines hold. Damaged lines are left out."""
        with self._lock:
            lines = self.lines()
            self._entries += [self.entry(line) for line in lines[len(self._entries) :]]
            return [entry for entry in self._entries if entry is not None]

    def last(self) -> dict[str, Any]:
        """Return what the last line holds that is not damaged; empty if there is none."""
        return next((entry for line in reversed(self.lines()) if (entry := self.entry(line))), {})

    def entry(self, line: bytes) -> dict[str, Any] | None:
        """Return what a line holds; None if it is damaged."""
        try:
            entry = parse(line)
            return checked(without_line_checksum(entry), self._kind) if isinstance(entry, dict) else None
        except ValueError:
            return None
