"""What a run's files say while it is trained, read without Keras and cheaply, however long the run is.

A file is read again only if its size or time changed. Of long logs, only new lines are read, and only those that are
shown are parsed.
"""

import json
import os
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pippin.errors import RunError
from pippin.host.own_files import read_own, require_own
from pippin.runs import snapshots
from pippin.runs.documents import (
    CHECKUPS,
    LOG,
    SETTINGS,
    CheckupEntry,
    LogEntry,
    SettingsFile,
    StateMetadata,
    checked,
    parse,
    read_document,
)
from pippin.settings import Settings
from pippin.studio.growing_file import GrowingFile

CHECKPOINT, BEST = "checkpoint.safetensors", "best.safetensors"

MAX_HEADER = 64 * 2**20
"""Largest size of the header of a state file in bytes. That of a run has less than 1 MB."""

LOG_KEYS = (
    *("d_loss", "g_loss", "r1_penalty", "r2_penalty", "real_logits", "fake_logits"),
    "images_per_second",
)
CHECKUP_KEYS = ("kid", "diversity", "overfitting", "locked", "locked_real", "rate", "augment")
"""The figures of a log and of checkups that the page draws."""

T = TypeVar("T")


class RunFiles:
    """The files of a run.

    Args:
        path: the folder of the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, tuple[Any, Any]] = {}
        self._log, self._checkups = GrowingFile(path / LOG, LogEntry), GrowingFile(path / CHECKUPS, CheckupEntry)

    def about(self) -> dict[str, Any]:
        """Return what `settings.json` says.

        Raises:
            RunError: it is missing or damaged.
        """

        def read() -> dict[str, Any]:
            about = read_document(self.path / SETTINGS, SettingsFile)
            if about is None:
                raise RunError(f"There is no run there. Received: {self.path}")
            try:
                Settings.from_dict(about["settings"])
            except (ValueError, TypeError, OverflowError) as problem:
                raise RunError(f"{SETTINGS} is damaged ({problem}). Received: {self.path}") from None
            return about

        return self._cached(SETTINGS, read)

    def checkpoint(self) -> dict[str, Any]:
        """Return the metadata of the last checkpoint; empty if there is none, or a damaged one."""
        return self._state(CHECKPOINT)

    def best(self) -> dict[str, Any] | None:
        """Return the batch and the KID of the best checkpoint, or None."""
        found = self._state(BEST)
        return {"batch": found["batches"], "kid": found.get("kid")} if found else None

    def _state(self, name: str) -> dict[str, Any]:
        return self._cached(name, lambda: state_metadata(self.path / name))

    def last_log(self) -> dict[str, Any]:
        """Return the last entry of the log; empty if there is none."""
        return self._cached(LOG, self._log.last)

    def checkups(self) -> list[dict[str, Any]]:
        """Return all checkups."""
        return self._cached(CHECKUPS, self._checkups.entries)

    def curves(self, points: int) -> dict[str, Any]:
        """Return the figures of the log and of the checkups as columns, of about `points` entries each."""

        def read() -> list[dict[str, Any]]:
            return [entry for line in _evenly(self._log.lines(), points) if (entry := self._log.entry(line))]

        return {
            "log": _columns(self._cached(LOG, read, f"{LOG} {points}"), LOG_KEYS),
            "checkups": _columns(_evenly(self.checkups(), points), CHECKUP_KEYS),
            "version": self.log_version(),
        }

    def log_version(self) -> str:
        """Return a text that changes when the log or the checkups do."""
        return _short(self._stamp(LOG), self._stamp(CHECKUPS))

    def snapshot_batches(self) -> list[int]:
        """Return the batches of the snapshots, sorted."""

        def read() -> list[int]:
            with os.scandir(require_own(self.path / snapshots.FOLDER)) as entries:
                found = (_SNAPSHOT.fullmatch(entry.name) for entry in entries)
                return sorted(int(match[1]) for match in found if match)

        try:
            return self._cached(snapshots.FOLDER, read)
        except OSError:
            return []

    def snapshots_version(self) -> str:
        """Return a text that changes when there is another snapshot."""
        return _short(self._stamp(snapshots.FOLDER))

    def latest_version(self) -> str | None:
        """Return a text that changes when the latest images do; None if there are none."""
        stamp = self._stamp(snapshots.LATEST)
        return None if stamp is None else _short(stamp)

    def picture(self, name: str) -> bytes | None:
        """Return a PNG file of the run; None if there is none. Raises a `RunError` if it is a link, or no PNG."""
        contents = read_own(self.path / name, snapshots.MAX_PICTURE_BYTES, self.path)
        if contents is not None and not contents.startswith(b"\x89PNG\r\n\x1a\n"):
            raise RunError(f"{name} is damaged. Received: {self.path}")
        return contents

    def stamps(self) -> tuple[Any, ...]:
        """Return what changes when anything changes that the page shows of the run."""
        names = SETTINGS, LOG, CHECKUPS, CHECKPOINT, BEST, snapshots.FOLDER, snapshots.LATEST
        return tuple(self._stamp(name) for name in names)

    def _stamp(self, name: str) -> tuple[int, int, int] | None:
        """Return what changes when a file or folder does; None if there is none."""
        try:
            status = (self.path / name).lstat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _cached(self, name: str, read: Callable[[], T], key: str | None = None) -> T:
        """Return what `read` returns, called only if the file changed since the last time."""
        stamp, key = self._stamp(name), key or name
        known = self._known.get(key)
        if known is None or known[0] != stamp:
            if len(self._known) > 20:  # curves of many lengths
                self._known.clear()
            known = self._known[key] = stamp, read()
        return known[1]


def state_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a state file from its header; empty if there is no file, or a damaged one."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(require_own(path), flags), "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MAX_HEADER:
                return {}
            header = json.loads(file.read(length))
        return checked(parse(header["__metadata__"]["pippin"]), StateMetadata)
    except (OSError, RunError, ValueError, KeyError, TypeError, struct.error, RecursionError):
        return {}


_SNAPSHOT = re.compile(r"batch-([0-9]{1,12})\.png")


def snapshot_name(batch: int) -> str:
    """Return the name of a snapshot's file in a run."""
    return f"{snapshots.FOLDER}/batch-{batch:06d}.png"


def _evenly(entries: Sequence[T], points: int) -> list[T]:
    """Return about `points` entries at equal distances, the last one included."""
    step = max(1, -(-len(entries) // points))
    return list(entries[::-step][::-1])


def _columns(entries: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, list[Any]]:
    """Return the figures of entries as one list for each key."""
    return {key: [entry.get(key) for entry in entries] for key in ("batches", *keys)}


def _short(*stamps: Any) -> str:
    """Return a short text that differs for other stamps."""
    return f"{hash(stamps) & 0xFFFFFFFFFFFF:x}"
