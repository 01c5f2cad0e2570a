"""Interruptions: SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal), handled where nothing is left half done."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class SavedInterrupt(KeyboardInterrupt):
    """An interruption after which a checkpoint was saved. After any other `KeyboardInterrupt`, none was."""


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Yield an event that SIGINT, SIGTERM or SIGHUP sets, which end a training session after the current batch.

    A second SIGINT raises a KeyboardInterrupt at once. The other signals do not, because a terminal that closes and a
    computer that shuts down send several of them, and the checkpoint must be saved meanwhile. SIGHUP stays ignored if
    it was ignored before, as under `nohup`.

    Outside the main thread, Python receives no signals, and the event is never set.
    """
    interrupted = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    with _handlers(handle):
        yield interrupted


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """Deliver SIGINT, SIGTERM and SIGHUP only when the block ends, so that it writes either all of its files or none.

    Outside the main thread, Python receives no signals, and nothing is delayed.
    """
    received: list[int] = []
    try:
        with _handlers(lambda number, frame: received.append(number)):
            yield
    finally:
        for number in received[:1]:
            signal.raise_signal(number)


@contextmanager
def _handlers(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a function handle the signals that interrupt. Outside the main thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in _handled()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handled() -> list[signal.Signals]:
    """Return the signals that interrupt on this system."""
    handled = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handled.append(signal.SIGHUP)
    return handled
