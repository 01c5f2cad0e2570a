"""Work on many pictures at once: in the order that was asked for, with memory for a few of them only."""

import faulthandler
import multiprocessing
import os
import pickle
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TextIO, TypeVar

import psutil
from loky import ProcessPoolExecutor
from PIL import Image

from pippin.host.cores import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32
"""Items that are given to a process at a time."""

PROCESSES_FROM = 32
"""Items from which on processes are started, in half a second, so that a decoder that crashes or never ends takes no
more than its file along. Of fewer, the wait would be most of the time."""

TIME_LIMIT = 60.0
"""Seconds that a process may work on one item: a decoder that a file leads into a loop must not hold up the others."""

THREADS = 8
"""Decoding releases Python's lock, so a few threads help, and more do not."""


def in_order(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    processes: bool,
    broken: Callable[[Item], Result],
    late: Callable[[Item], Result] | None = None,
) -> Iterator[Result]:
    """Yields the result of some work on each item, in their order.

    Processes are Loky's: unlike those of the standard library they do not run the caller's script again, so that a
    script may train without `if __name__ == "__main__"`, and it is noticed when one of them dies.

    Args:
        work: What to do; with processes, something that can be pickled.
        items: What to do it with.
        processes: Whether to share it out to processes, where there is enough of it; to threads if not.
        broken: Gives the result for an item on which a process died.
        late: Gives the result for an item on which a process worked for too long; the same if it is not given.
    """
    cores = available_cores()
    childless = multiprocessing.current_process().daemon  # one of a pool's; Python lets it have no children
    if not processes or childless or cores == 1 or len(items) < PROCESSES_FROM:
        Image.init()  # Pillow loads its decoders here; better before the threads than in them
        with ThreadPoolExecutor(max_workers=min(THREADS, 2 * cores)) as pool:
            for start in range(0, len(items), 2 * CHUNK):
                yield from pool.map(work, items[start : start + 2 * CHUNK])
        return
    start = 0
    while start < len(items):
        for result in _until_broken(work, items, start, cores):
            yield result
            start += 1
        near = items[start : start + _ahead(cores) * CHUNK]  # one of these killed its process, if there are any left
        for result in _one_by_one(work, near, broken, late or broken):
            yield result
            start += 1


def _ahead(cores: int) -> int:
    """How many chunks are under way at a time."""
    return 2 * cores + 2


def _until_broken(work: Callable[[Item], Result], items: Sequence[Item], start: int, cores: int) -> Iterator[Result]:
    """Yields results from the one at `start` on, to the end or until a process dies."""
    chunks = (items[at : at + CHUNK] for at in range(start, len(items), CHUNK))
    waiting: deque[Future[bytes]] = deque()
    with _processes(cores, work) as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_work_on, chunk))
                if len(waiting) == _ahead(cores):
                    yield from pickle.loads(waiting.popleft().result())
            while waiting:
                yield from pickle.loads(waiting.popleft().result())
        except BrokenProcessPool:
            return
        finally:
            for future in waiting:
                future.cancel()


def _one_by_one(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    broken: Callable[[Item], Result],
    late: Callable[[Item], Result],
) -> Iterator[Result]:
    """Yields results, worked on by one process that gets one item at a time, until it is known on which it dies."""
    done = 0
    while done < len(items):
        with _processes(1, work) as pool:
            try:
                for item in items[done:]:
                    began = time.monotonic()
                    yield from pickle.loads(pool.submit(_work_on, [item]).result())
                    done += 1
            except BrokenProcessPool:
                yield (late if time.monotonic() - began >= TIME_LIMIT else broken)(items[done])
                done += 1


def _processes(cores: int, work: Callable[[Any], Any]) -> Executor:
    with warnings.catch_warnings(action="ignore"):
        return ProcessPoolExecutor(max_workers=cores, initializer=_begin, initargs=(work, os.getpid(), TIME_LIMIT))


_work: Callable[[Any], Any]
_limit: float
_nowhere: TextIO


def _begin(work: Callable[[Any], Any], parent: int, limit: float) -> None:
    """Readies a process: it gets the work once, and then only what to do it with."""
    global _work, _limit, _nowhere
    _work, _limit, _nowhere = work, limit, open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    warnings.simplefilter("ignore")  # Pillow warns of oddities that the audit judges by itself
    Image.init()


def _leave_with(parent: int) -> None:
    """Ends this process when the one that began it was killed: nothing else tells it, and it would wait for ever."""
    while psutil.pid_exists(parent) and os.getppid() == parent:  # where there are no orphans, the first tells
        time.sleep(1)
    os._exit(1)


def _work_on(items: Sequence[Any]) -> bytes:
    """Works on one item within the time limit, or on several within twice that: a timer for each would cost a tenth.

    After that the process ends, even if compiled code never lets Python run, and each item is given alone.

    Returns:
        The results, pickled: Loky's own pickler asks Python about every object in them.
    """
    faulthandler.dump_traceback_later(_limit * min(len(items), 2), exit=True, file=_nowhere)
    try:
        return pickle.dumps([_work(item) for item in items], pickle.HIGHEST_PROTOCOL)
    finally:
        faulthandler.cancel_dump_traceback_later()
