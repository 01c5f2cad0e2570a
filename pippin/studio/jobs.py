"""Jobs: work that a user waits for and watches, one after the other."""

import itertools
import os
import queue
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from pippin.errors import PippinError
from pippin.host.text import printable
from pippin.studio.worker import Cancelled, TaskError

KEPT = 50
"""Number of jobs that are remembered."""

MAX_WAITING = 20
"""Largest number of jobs that wait or run."""

MAX_LINES = 500
"""Number of the last lines of a command's output that are kept."""

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass
class Job:
    """A job.

    Attributes:
        kind: what it does, for the page.
        title: a name for the user.
        subject: the run or picture set that it belongs to: `{"run": id}` or `{"set": id}`.
        command: the command line that does the same, or None.
        work: what it does; called with the job.
        cancel: how to stop the work while it runs.
        done, total: its progress; `total` is None if it is unknown.
        message: the last line of its output, or the error.
        result: what `work` returned.
    """

    kind: str
    title: str
    subject: dict[str, str]
    command: str | None
    work: Callable[["Job"], Any]
    cancel: Callable[[], None] = lambda: None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: State = "queued"
    done: int = 0
    total: int | None = None
    message: str = ""
    result: Any = None
    created: float = field(default_factory=time.time)
    ended: float | None = None
    version: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the job as the page gets it."""
        names = "id", "kind", "title", "state", "done", "total", "message", "command", "result", "created", "ended"
        return {**{name: getattr(self, name) for name in names}, **self.subject}


class Jobs:
    """Runs jobs in a thread, one after the other, and remembers the last ones."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._queue: queue.Queue[Job] = queue.Queue()
        self._versions = itertools.count(1)
        self._lock = threading.Lock()
        threading.Thread(target=self._run_all, name="jobs", daemon=True).start()

    def add(self, job: Job) -> Job:
        """Add a job to the queue.

        Raises:
            PippinError: too many jobs wait.
        """
        with self._lock:
            if sum(known.ended is None for known in self._jobs.values()) >= MAX_WAITING:
                raise TaskError(f"{MAX_WAITING} jobs wait already; wait for one to end, or cancel one.")
            self._jobs[job.id] = job
            for old in [known for known in self._jobs.values() if known.ended is not None][:-KEPT]:
                del self._jobs[old.id]
        self.update(job)
        self._queue.put(job)
        return job

    def get(self, job_id: str) -> Job | None:
        """Return a job; None if there is none."""
        return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        """Return the jobs, the newest first."""
        return list(self._jobs.values())[::-1]

    def running(self, kind: str, subject: dict[str, str]) -> Job | None:
        """Return the job of a kind that waits or runs for a run or a set, or None."""
        found = (job for job in self.all() if job.kind == kind and job.subject == subject and job.ended is None)
        return next(found, None)

    def changed_since(self, version: int) -> list[Job]:
        """Return the jobs that changed after a version, the oldest change first."""
        return sorted((job for job in self.all() if job.version > version), key=lambda job: job.version)

    def update(self, job: Job, **values: Any) -> None:
        """Change a job, so that pages that watch it are told."""
        for name, value in values.items():
            setattr(job, name, value)
        job.version = next(self._versions)

    def progress(self, job: Job) -> Callable[[int, int], None]:
        """Return a function that shows the progress of a job; called as `progress(done, total)`."""
        return lambda done, total: self.update(job, done=done, total=total)

    def cancel(self, job: Job) -> None:
        """Cancel a job that waits or runs."""
        if job.state == "queued":
            self._end(job, "cancelled", "")
        elif job.state == "running":
            self.update(job, message="cancelling")
            job.cancel()

    def close(self) -> None:
        """Cancel all jobs."""
        for job in self.all():
            self.cancel(job)

    def _run_all(self) -> None:
        while True:
            job = self._queue.get()
            if job.state == "queued":
                self.update(job, state="running")
                self._run(job)

    def _run(self, job: Job) -> None:
        try:
            job.result = job.work(job)
            self._end(job, "done", job.message)
        except Cancelled:
            self._end(job, "cancelled", "")
        except PippinError as problem:
            self._end(job, "failed", printable(str(problem)))
        except Exception as problem:
            self._end(job, "failed", printable(f"This failed unexpectedly: {type(problem).__name__}: {problem}"))

    def _end(self, job: Job, state: State, message: str) -> None:
        self.update(job, state=state, message=message, ended=time.time())


def line_progress(line: str) -> dict[str, int]:
    """Return the progress that a line of the command line tells, as `done` and `total`; empty if it tells none."""
    match = _PROGRESS.search(line)
    return {name: int(match[name].replace(",", "")) for name in ("done", "total")} if match else {}


_PROGRESS = re.compile(r"(?P<done>[0-9][0-9,]{0,14}) of (?P<total>[0-9][0-9,]{0,14})\b")
"""How `pippin.cli.console` prints progress where there is no terminal: `generating: 32 of 64, 5 s left`."""


def run_command(jobs: Jobs, job: Job, words: list[str]) -> list[str]:
    """Run a verb of the command line in a process, as a part of a job, and return the lines that it printed.

    Args:
        jobs: what the job belongs to.
        job: the job, which gets the last line as its message.
        words: the command without `pippin`.

    Raises:
        TaskError: the command failed; the message is its last line.
        Cancelled: the job was cancelled.
    """
    cancelled = threading.Event()
    process = subprocess.Popen(
        [sys.executable, "-m", "pippin", *words],
        env={**os.environ, "LANGUAGE": "en"},  # the page translates the lines
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=True,
    )

    def cancel() -> None:
        cancelled.set()
        with suppress(OSError):
            process.kill()

    job.cancel = cancel
    lines: list[str] = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines = [*lines[1 - MAX_LINES :], printable(line.rstrip("\n"))]
            jobs.update(job, message=lines[-1], **line_progress(lines[-1]))
    code = process.wait()
    if cancelled.is_set():
        raise Cancelled
    if code:
        raise TaskError(lines[-1] if lines else f"The command failed with exit code {code}.")
    return lines
