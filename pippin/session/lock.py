"""The lock of a run: only one process trains it at a time."""

import getpass
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from pippin.errors import RunError
from pippin.host.files import run_errors, write_text
from pippin.host.own_files import read_own, require_own
from pippin.runs.documents import HOLDER, LOCK

HEARTBEAT_SECONDS = 20
"""Seconds between two updates of `HOLDER`'s modification time, by which other computers see that training is alive."""

STALE_SECONDS = 180
"""Age of the last update in seconds from which another computer's lock is stale. It is many intervals of updates,
because a network drive may show a change late."""

MAX_HOLDER_BYTES = 65_536
"""Largest size of `HOLDER`. It holds five short entries."""


@contextmanager
def training_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a run while the block runs.

    The operating system releases the lock when the process ends, even if it is killed. Not every network drive passes
    locks on to other computers, so the holder also updates a file, and a file without updates is a stale lock.

    Args:
        path: folder of the run. It is created if it does not exist, and removed again if it is still empty at the end.

    Raises:
        RunError: another process trains the run, or the folder cannot be written.
    """
    with run_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    try:
        lock, supported = _acquire(path)
        try:
            if alive := _other_holder(path, supported):
                raise RunError(alive)
            with run_errors(path):
                write_text(path / HOLDER, json.dumps(_this_process(), indent=1))
            try:
                with _heartbeat(path / HOLDER):
                    yield
            finally:
                _remove(path / HOLDER)
        finally:
            _remove(path / LOCK)
            lock.release()
    finally:
        with suppress(OSError):
            path.rmdir()


def remove_stale_lock(path: Path) -> None:
    """Remove the lock that a killed process left in a run. A lock stays if it is held, or if the run is read-only."""
    if os.path.lexists(path / HOLDER) or os.path.lexists(path / LOCK):
        with suppress(RunError), training_lock(path):
            pass


def current_holder(path: Path) -> dict[str, Any] | None:
    """Return the process that trains a run now, or None. Nothing is written.

    The description in `HOLDER` may be of a process that was killed. So a process of this computer counts only if it has
    the file of the lock open, and one of another computer only if it updated the description lately.

    Returns:
        `pid`, `user`, `host` and `since` as in `HOLDER`; `here`, whether it runs on this computer; and `verified`,
        whether it is certain that this process holds the lock, so that it may be sent a signal.

    Raises:
        RunError: a file of the lock is a link or not a regular file.
    """
    holder = _read_holder(path)
    if holder is None:
        return None
    if holder.get("boot") != _boot():
        try:
            age = time.time() - (path / HOLDER).stat().st_mtime
        except OSError:
            return None
        return {**holder, "here": False, "verified": False} if age < STALE_SECONDS else None
    opened = _has_open(holder["pid"], require_own(path / LOCK))
    return None if opened is False else {**holder, "here": True, "verified": bool(opened)}


def _has_open(pid: int, path: Path) -> bool | None:
    """Return whether a process of this computer has a file open; None if that cannot be seen."""
    try:
        status = path.stat()
        for file in psutil.Process(pid).open_files():
            with suppress(OSError):
                if os.path.samestat(os.stat(file.path), status):
                    return True
    except (OSError, psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return None
    return False


def _acquire(path: Path) -> tuple[FileLock, bool]:
    """Return the lock, acquired if the file system supports locks, and whether it does.

    Raises:
        RunError: another process holds it, or the folder cannot be written.
    """
    lock = FileLock(require_own(path / LOCK), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(_held(path, _read_holder(path))) from None
    except OSError:
        with run_errors(path):  # a full disk or a folder without permission fails here too
            (path / LOCK).touch()
        return lock, False
    return lock, True


def _other_holder(path: Path, locked: bool) -> str | None:
    """Return a message if the last holder may still train the run, although this process could lock it, or None.

    Args:
        path: folder of the run.
        locked: whether the file system supports locks. Then no process of this computer trains the run.
    """
    holder = _read_holder(path)
    if holder is None:
        return None
    if holder.get("boot") == _boot():
        alive = not locked and holder.get("pid") != os.getpid() and psutil.pid_exists(int(holder.get("pid", -1)))
        return _held(path, holder) if alive else None
    age = _age(path / HOLDER)
    if age is None or age > STALE_SECONDS:
        return None
    advice = (
        f". If that process no longer runs, try again in {STALE_SECONDS - max(age, 0):.0f} s, when its lock is stale, "
        f"or delete {path / HOLDER}"
    )
    return _held(path, holder, advice)


def _held(path: Path, holder: dict[str, Any] | None, advice: str = "") -> str:
    """Return the message that another process trains the run, with what else to do."""
    if holder is None:
        return f"Another process trains this run; wait for it, or choose another folder with --run. Received: {path}"
    who = f"process {holder.get('pid')} of {holder.get('user')} on {holder.get('host')}"
    return (
        f"This run is being trained by {who} since {holder.get('since')}; wait for it, stop it, or choose another "
        f"folder with --run{advice}. Received: {path}"
    )


def _read_holder(path: Path) -> dict[str, Any] | None:
    """Return the description of the process that holds or held the lock; None if there is none or it is damaged."""
    try:
        holder = json.loads(read_own(path / HOLDER, MAX_HOLDER_BYTES) or b"null")
    except ValueError:
        return None
    return holder if isinstance(holder, dict) and isinstance(holder.get("pid"), int) else None


def _this_process() -> dict[str, Any]:
    """Return the description of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        user = f"user {os.getuid()}" if hasattr(os, "getuid") else "an unknown user"
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return {"pid": os.getpid(), "user": user, "host": platform.node(), "since": since, "boot": _boot()}


def _boot() -> str:
    """Return a name of this computer since its start, the same in all containers on it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{platform.node()} {psutil.boot_time():.0f}"


def _age(path: Path) -> float | None:
    """Return the seconds since a file was updated by the clock of its file system; None if that cannot be read."""
    try:
        clock = path.with_name(LOCK)
        clock.touch()
        return clock.stat().st_mtime - path.stat().st_mtime
    except OSError:
        return None


@contextmanager
def _heartbeat(path: Path) -> Iterator[None]:
    """Update a file's modification time regularly while the block runs."""
    ended = threading.Event()

    def update() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=update, name="lock of the run", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _remove(path: Path) -> None:
    """Remove a file, if it is there and its folder can be written."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
