"""The clock of a training: the time of training, and apart from it the time of compiling."""

import time

from pippin.engines.compile_time import compile_time


class TrainingClock:
    """Measures how long a run has trained, over all of its training sessions.

    Checkups, snapshots and checkpoints count as training. Compiling does not: that of the training step, and that of
    everything else that is compiled between two readings, such as the networks of the first checkup. A session that
    resumes compiles again, and so does a call with another number of steps or another shape; none of that is training.

    Attributes:
        seconds: Training time at the last reading, in seconds.
        compile_seconds: Time spent on compiling at the last reading, in seconds.
    """

    def __init__(self, seconds: float = 0.0, compile_seconds: float = 0.0) -> None:
        self.seconds, self.compile_seconds = seconds, compile_seconds
        self.start()

    def start(self) -> None:
        """Continue from the last reading, now."""
        self._last_time, self._last_compiled = time.perf_counter(), compile_time.seconds

    def read(self) -> None:
        """Set both times to those of now."""
        now, compiled = time.perf_counter(), compile_time.seconds
        since = compiled - self._last_compiled
        self.compile_seconds += since
        self.seconds += now - self._last_time - since
        self._last_time, self._last_compiled = now, compiled

    def now(self) -> float:
        """Return the training time of now in seconds, without a reading."""
        return self.seconds + time.perf_counter() - self._last_time - (compile_time.seconds - self._last_compiled)

    def exclude(self, seconds: float) -> None:
        """Exclude some seconds since the last reading, in which training waited."""
        self._last_time += seconds
