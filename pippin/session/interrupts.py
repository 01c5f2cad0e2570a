"""Interruptions: SIGINT, SIGTERM and SIGHUP end a training session after the current batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Yield an event that SIGINT (Ctrl-C), SIGTERM or SIGHUP (a closed terminal) sets.

    A second SIGINT raises a KeyboardInterrupt at once. The other signals do not, because a terminal that closes and a
    computer that shuts down send several of them, and the checkpoint must be saved meanwhile. SIGHUP stays ignored if
    it was ignored before, as under `nohup`.

    Outside the main thread, Python receives no signals, and the event is never set.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    before = {number: signal.signal(number, handle) for number in _handled()}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handled() -> list[signal.Signals]:
    """Return the signals that end a training session on this system."""
    handled = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handled.append(signal.SIGHUP)
    return handled
