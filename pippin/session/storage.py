"""What a training session does when its run cannot be written: it waits with its state in memory, and tries again."""

import errno
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pippin.errors import PippinError, RunError
from pippin.host.files import run_errors, storage_problem
from pippin.runs.checkpoint import CHECKPOINT, StateFiles
from pippin.runs.documents import SETTINGS
from pippin.training.trainer import Trainer

T = TypeVar("T")

RETRY_SECONDS = 10
"""Seconds between two attempts to write. A user who has freed some space does not wait long for training to resume."""

WAIT_SECONDS = 30 * 60
"""Longest time that training waits until the run can be written again, in seconds. It is enough to free space or to
connect a drive, and it ends the process before long if the user is away, so that the memory is free again."""


class Storage:
    """Writes the files of a training session. While they cannot be written, it waits and tries again.

    Args:
        path: folder of the run.
        trainer: the trainer, whose state is saved elsewhere if the wait ends without success.
        interrupted: an event that ends the wait at once.
        tell: called with a sentence for the user when the wait begins and ends.
    """

    def __init__(self, path: Path, trainer: Trainer, interrupted: threading.Event, tell: Callable[[str], None]):
        self.path, self.trainer, self.interrupted, self.tell = path, trainer, interrupted, tell

    def write(self, action: Callable[[], T]) -> T:
        """Return what `action` returns, after as many attempts as are needed.

        Args:
            action: writes into the run. After a failed attempt, the run must be as it was before.

        Raises:
            KeyboardInterrupt: the wait was interrupted.
            RunError: the run could not be written for `WAIT_SECONDS`.
        """
        start, waiting = time.monotonic(), False
        while True:
            try:
                self._check_present()
                result = action()
            except (OSError, PippinError) as problem:
                if storage_problem(problem) is None:
                    raise
                if not waiting:
                    waiting = True
                    self.tell(_describe_wait(problem))
                if time.monotonic() - start >= WAIT_SECONDS:
                    raise RunError(f"{problem}. Training waited {_minutes()}; {self._save_elsewhere()}") from problem
                if self.interrupted.wait(RETRY_SECONDS):
                    self.tell(f"Training ends without writing; {self._save_elsewhere()}")
                    raise KeyboardInterrupt from None
                continue
            if waiting:
                self.trainer.clock.exclude(time.monotonic() - start)
                self.tell("The run can be written again; training continues")
            return result

    def _check_present(self) -> None:
        """Raise a `RunError` if the run's folder is not there, so that it is not created on another drive."""
        if not (self.path / SETTINGS).exists():
            with run_errors(self.path):
                raise OSError(errno.ENOENT, "its folder is not there")

    def _save_elsewhere(self) -> str:
        """Save the training state in a new temporary folder, and return where it is and how to resume from it."""
        try:
            files = StateFiles(Path(tempfile.mkdtemp(prefix=f"pippin-{self.path.name}-")))
            state, clock, health = self.trainer.state_on_host(), self.trainer.clock, self.trainer.health
            files.save_checkpoint(state, clock.seconds, health, compile_seconds=clock.compile_seconds)
        except (OSError, PippinError):
            return "the state could not be saved elsewhere, so the same command resumes from the run's last checkpoint"
        return (
            f"the state of batch {self.trainer.batches:,} is in {files.path / CHECKPOINT}. The same command resumes "
            "from the run's last checkpoint, or from this one if you copy it into the run's folder first"
        )


def _describe_wait(problem: Exception) -> str:
    """Return the sentence for the user when the wait begins."""
    return (
        f"{problem}. Training waits with its state in memory and tries again every {RETRY_SECONDS} s for "
        f"{_minutes()}; free space or connect the drive, or press Ctrl-C to end"
    )


def _minutes() -> str:
    """Return the longest wait in words."""
    return f"{WAIT_SECONDS / 60:g} minutes"
