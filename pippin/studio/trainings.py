"""Trainings that the studio starts: processes of their own, which survive it, and how they are asked to stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field

from pippin.errors import RunError
from pippin.host.files import run_errors
from pippin.host.own_files import require_own
from pippin.host.text import printable
from pippin.runs.documents import PAUSE
from pippin.session.lock import current_holder
from pippin.session.pause import waiting_process
from pippin.studio.answers import RequestError
from pippin.studio.stored import Stored, read_stored, write_stored

OUTPUT_BYTES = 65_536
"""Bytes at the end of a training's output that are read for the page."""

INTERRUPTED = 130
"""Exit code of a training that was asked to stop, after it saved a checkpoint."""

Wanted = Literal["train", "pause", "stop"]


class Training(Stored):
    """What the studio stores about a training that it started.

    Attributes:
        run: the folder of the run, as the command line takes it.
        words: the command without `pippin`.
        pid: the process.
        created: the time at which the system created the process, which tells it from a later one with the same number.
        started: when it was started, in seconds since 1970.
        wanted: what the user wants: that it trains, pauses or stops.
        asked: the process that was asked to end, which another one may have followed since.
        code: its exit code, if the studio saw it end.
        set: the id of the picture set.
    """

    run: str
    words: list[str] = Field(default=[])
    pid: int
    created: float
    started: float
    wanted: Wanted = "train"
    asked: int | None = None
    code: int | None = None
    set: str | None = None


class Trainings:
    """The trainings that this studio, or an earlier one in the same folder, started.

    Args:
        folder: where they are stored: a description and the output of each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trainings: dict[str, tuple[int, Training | None]] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()

    def get(self, run_id: str) -> Training | None:
        """Return the training of a run that a studio started last, or None. Another studio may have stored it since."""
        file = self._folder / f"{run_id}.json"
        try:
            changed = file.lstat().st_mtime_ns
        except (OSError, ValueError):  # a ValueError if the id holds a null character
            return None
        known = self._trainings.get(run_id)
        if known is None or known[0] != changed:
            known = self._trainings[run_id] = changed, read_stored(file, Training)
        return known[1]

    def items(self) -> list[tuple[str, Training]]:
        """Return the ids of runs with their trainings."""
        files = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        found = ((file.stem, self.get(file.stem)) for file in files)
        return [(run_id, training) for run_id, training in found if training is not None]

    def start(self, run_id: str, run: Path, words: Sequence[str], engine: str | None, set_id: str | None) -> Training:
        """Start a training in a process and a session of its own.

        Args:
            run_id: the id of the run.
            run: its folder.
            words: the command without `pippin`.
            engine: the engine of the run, or None for the default one.
            set_id: the picture set.

        Raises:
            RequestError: the run is being trained.
            RunError: the output cannot be written.
        """
        with self._lock:
            if self.is_alive(run_id) or current_holder(run):
                raise RequestError(409, "busy", "This run is being trained already.")
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "LANGUAGE": "en"}  # the page translates the output
            environment |= {"KERAS_BACKEND": engine} if engine else {}
            output = self._output(run_id)
            with run_errors(output):
                output.parent.mkdir(parents=True, exist_ok=True)
                output.unlink(missing_ok=True)
                with output.open("xb") as file:
                    child = subprocess.Popen(
                        [sys.executable, "-m", "pippin", *words],
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        env=environment,
                        start_new_session=True,  # it survives the server and the terminal
                    )
            self._children[run_id] = child
            training = Training(
                run=str(run),
                words=list(words),
                pid=child.pid,
                created=psutil.Process(child.pid).create_time(),
                started=time.time(),
                set=set_id,
            )
            self._store(run_id, training)
            return training

    def is_alive(self, run_id: str) -> bool:
        """Return whether the process that a studio started for a run still runs."""
        with self._lock:
            training, child = self.get(run_id), self._children.get(run_id)
            if child is not None and training is not None:
                code = child.poll()
                if code is not None:
                    del self._children[run_id]
                    self._store(run_id, training.model_copy(update={"code": code}))
                return code is None
            return training is not None and training.code is None and _is_process(training)

    def request_pause(self, run_id: str, run: Path) -> None:
        """Ask the process that trains a run to save a checkpoint and wait, with everything in memory.

        Raises:
            RequestError: no process trains it.
            RunError: the run cannot be written.
        """
        with self._lock:
            holder = current_holder(run)
            if holder is None:
                raise RequestError(409, "run", "Nobody trains this run.")
            with run_errors(run):
                require_own(run / PAUSE).touch()
            self._want(run_id, run, "pause", holder["pid"])

    def end_pause(self, run_id: str, run: Path) -> bool:
        """Let the process that waits in a pause train on; return whether there is one."""
        with self._lock:
            holder = current_holder(run)
            if holder is None or waiting_process(run) is None:
                return False
            with run_errors(run):
                require_own(run / PAUSE).unlink(missing_ok=True)
            self._want(run_id, run, "train", holder["pid"])
            return True

    def request_stop(self, run_id: str, run: Path) -> None:
        """Ask the process that trains a run to save a checkpoint and end.

        Raises:
            RequestError: no process of this computer trains it, or it is not certain which one does.
        """
        with self._lock:
            holder, training = current_holder(run), self.get(run_id)
            if holder is not None and not holder["verified"]:
                user, host = (printable(str(holder.get(name))) for name in ("user", "host"))
                who = f"process {holder['pid']} of {user} on {host}"
                raise RequestError(409, "run", f"The run is trained by {who}; stop it there with Ctrl-C.")
            pid = holder["pid"] if holder else training.pid if training and self.is_alive(run_id) else None
            if pid is None:
                raise RequestError(409, "run", "Nobody trains this run.")
            self._want(run_id, run, "stop", pid)
            with suppress(ProcessLookupError):
                try:
                    os.kill(pid, signal.SIGTERM)
                except PermissionError:
                    raise RequestError(409, "run", "The process that trains the run is another user's.") from None

    def _want(self, run_id: str, run: Path, wanted: Wanted, pid: int) -> None:
        """Store what the user wants of a run, also of one that was started in a terminal."""
        training = self.get(run_id)
        if training is None:
            training = Training(run=str(run), pid=0, created=0.0, started=time.time(), code=INTERRUPTED)
        self._store(run_id, training.model_copy(update={"wanted": wanted, "asked": pid}))

    def stop_all(self) -> None:
        """Ask all trainings that a studio started to save a checkpoint and end."""
        for run_id, training in self.items():
            if self.is_alive(run_id):
                with suppress(RequestError, RunError):
                    self.request_stop(run_id, Path(training.run))

    def output(self, run_id: str) -> list[str]:
        """Return the last lines that a training printed."""
        try:
            file = require_own(self._output(run_id))
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - OUTPUT_BYTES))
                text = opened.read().decode("utf-8", "backslashreplace")
        except (OSError, RunError):
            return []
        return [printable(line) for line in text.splitlines() if line.strip()]

    def _output(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.txt"

    def _store(self, run_id: str, training: Training) -> None:
        write_stored(self._folder / f"{run_id}.json", training)


def _is_process(training: Training) -> bool:
    """Return whether the process of a training still runs: the same number, time of creation and command."""
    try:
        process = psutil.Process(training.pid)
        same = abs(process.create_time() - training.created) < 0.1 and process.status() != psutil.STATUS_ZOMBIE
        words = process.cmdline()  # empty while the process ends
        return same and (not words or "train" in words)
    except (psutil.Error, ValueError, OverflowError):
        return False
