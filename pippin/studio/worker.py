"""A process beside the server for work that takes long or loads an engine.

The server passes it functions and arguments through a pipe, and gets progress and results back. The process is started
when it is first needed, runs one task at a time, and ends when it was idle for some time, so that its memory is free
again.
"""

import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from pippin.errors import PippinError

TASKS, EXPLORER = "pippin.studio.tasks", "pippin.studio.explorer"
"""The modules whose functions are tasks. The server does not import the second one, which loads Keras."""

Task = tuple[str, str]
"""A module and a function in it, which is called as `task(progress, *arguments)`, with `progress(done, total)`."""


class TaskError(PippinError):
    """A task failed, or its process ended."""


class Cancelled(Exception):  # noqa: N818 (it is no error)
    """The user cancelled the task."""


class Worker:
    """Runs tasks in a process, one after the other.

    Args:
        idle_seconds: time without a task after which the process ends.
    """

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._cancelled = False

    def run(self, task: Task, *arguments: Any, progress: Callable[[int, int], None] = lambda done, total: None) -> Any:
        """Return the result of a task.

        Raises:
            PippinError: what the task raised, or a `TaskError` if the process ended.
            Cancelled: `cancel` was called meanwhile.
        """
        with self._turn:
            if self._timer is not None:
                self._timer.cancel()
            self._cancelled = False
            try:
                return self._run(task, arguments, progress)
            finally:
                self._timer = threading.Timer(self._idle_seconds, self._end_if_idle)
                self._timer.daemon = True
                self._timer.start()

    def cancel(self) -> None:
        """End the task that runs now, by ending the process."""
        self._cancelled = True
        self._kill()

    def close(self) -> None:
        """End the process and what it started."""
        self.cancel()
        with self._turn:
            if self._timer is not None:
                self._timer.cancel()
            self._close_pipes()

    def _kill(self) -> None:
        """End the process, if it runs, and what it started."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def _close_pipes(self) -> None:
        """Close the pipes of a process that ended. No task may run, since it reads from one of them."""
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            self._process = None

    def _run(self, task: Task, arguments: tuple[Any, ...], progress: Callable[[int, int], None]) -> Any:
        """Return the result of a task, in the process that runs or in a new one."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            _send(process.stdin, (task, arguments))
            kind, value = pickle.load(process.stdout)
            while kind == "progress":
                progress(*value)
                kind, value = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._kill()
            self._close_pipes()
            if self._cancelled:
                raise Cancelled from None
            raise TaskError("The process for this work ended, perhaps for lack of memory; try again.") from None
        if kind == "error":
            raise value
        return value

    def _started(self) -> "subprocess.Popen[bytes]":
        """Return the process, started if it does not run."""
        if self._process is not None and self._process.poll() is not None:
            self._close_pipes()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pippin.studio.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal of the server does not reach it
            )
        return self._process

    def _end_if_idle(self) -> None:
        """End the process unless a task runs."""
        if self._turn.acquire(blocking=False):
            try:
                self._kill()
                self._close_pipes()
            finally:
                self._turn.release()


def _send(pipe: BinaryIO | Any, value: Any) -> None:
    pickle.dump(value, pipe, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def main() -> None:
    """Run the tasks that arrive on standard input until it ends. Nothing else writes to the pipe of the results."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            task, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            function = getattr(importlib.import_module(task[0]), task[1])
            answer = "result", function(lambda done, total: _send(results, ("progress", (done, total))), *arguments)
        except PippinError as problem:
            answer = "error", type(problem)(str(problem))
        except MemoryError:
            answer = "error", TaskError("There is not enough memory for this; close other programs.")
        except Exception as problem:
            answer = "error", TaskError(f"This failed unexpectedly: {type(problem).__name__}: {problem}")
        _send(results, answer)


if __name__ == "__main__":
    from pippin.studio.worker import main as imported_main  # so that classes have the same module on both sides

    imported_main()
