"""The time that this process spends on compiling, which is not training time."""

import threading
import time
from collections.abc import Callable
from typing import Any

from pippin.host.heap import release_free_memory


class CompileTime:
    """Adds up the time of the calls in which a function was compiled.

    Attributes:
        seconds: The sum so far, of all functions of this process.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._watching = threading.local()

    def watched(self, function: Callable[..., Any], programs: Callable[[], int]) -> "Watched":
        """Return a function whose calls count if they compile.

        Args:
            function: A function that an engine compiles when it is called with new shapes.
            programs: Returns the number of its compiled programs.
        """
        return Watched(self, function, programs)

    def call(self, function: Callable[..., Any], programs: Callable[[], int], args: tuple[Any, ...]) -> Any:
        """Call a function. If it compiles, add the time of the call, and release the memory that compiling has freed.

        A call inside another one is part of that.
        """
        if getattr(self._watching, "on", False):
            return function(*args)
        before, started = programs(), time.perf_counter()
        self._watching.on = True
        try:
            return function(*args)
        finally:
            self._watching.on = False
            if programs() != before:
                release_free_memory()
                self.seconds += time.perf_counter() - started


class Watched:
    """A compiled function whose compiling is timed; see `CompileTime.watched`. It has the function's attributes."""

    def __init__(self, times: CompileTime, function: Callable[..., Any], programs: Callable[[], int]) -> None:
        self._times, self._function, self._programs = times, function, programs

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        return self._times.call(self._function, self._programs, args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


compile_time = CompileTime()
"""The compile time of this process."""
