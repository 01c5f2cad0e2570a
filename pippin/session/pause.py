"""A pause of a training session: it saves a checkpoint and waits, with its networks and compiled steps in memory."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from pippin.engines import cluster
from pippin.errors import RunError
from pippin.host.interrupts import SavedInterrupt
from pippin.host.own_files import open_own
from pippin.runs.documents import PAUSE

LOOK_SECONDS = 0.5
"""Seconds between two looks for the file that asks for a pause. On a network drive, a look takes milliseconds."""

WAIT_SECONDS = 0.2
"""Seconds between two looks whether the file is still there. Training resumes that soon."""


class Pause:
    """A pause is wanted as long as there is a file `PAUSE` in the run's folder. Its contents do not matter.

    A file of an earlier session is removed. Several processes that train together cannot wait for each other that
    long, so their session ends instead.

    Args:
        path: folder of the run.
        interrupted: an event that ends the wait at once.
    """

    def __init__(self, path: Path, interrupted: threading.Event) -> None:
        self._file, self._interrupted = path / PAUSE, interrupted
        self._looked, self._wanted = time.monotonic(), False
        with suppress(OSError):
            self._file.unlink()

    def is_wanted(self) -> bool:
        """Return whether a pause is wanted."""
        if not self._wanted and time.monotonic() - self._looked >= LOOK_SECONDS:
            self._wanted, self._looked = waiting_process(self._file.parent) is not None, time.monotonic()
            if self._wanted and cluster.process_count() > 1:
                self._interrupted.set()
        return self._wanted

    def wait(self) -> float:
        """Wait until no pause is wanted any more, and return the seconds. Call it after a checkpoint was saved.

        Raises:
            SavedInterrupt: training was interrupted.
        """
        start, self._wanted = time.monotonic(), False
        while (waiting := waiting_process(self._file.parent)) is not None:
            if waiting != os.getpid():  # also if the file was removed and made again between two looks
                self._say_that_it_waits()
            if self._interrupted.wait(WAIT_SECONDS):
                raise SavedInterrupt
        return time.monotonic() - start

    def _say_that_it_waits(self) -> None:
        """Write the number of this process into the file, which may be gone already."""
        with suppress(OSError):
            flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)  # without O_CREAT
            with os.fdopen(os.open(self._file, flags), "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")


def waiting_process(path: Path) -> int | None:
    """Return the process that waits in a pause of a run; 0 if the pause has not begun, None if none is wanted."""
    try:
        with open_own(path / PAUSE) as file:
            text = file.read(20).strip()
    except (OSError, RunError):
        return None
    return int(text) if text.isdigit() else 0
