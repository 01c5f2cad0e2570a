"""Parallel work on many pictures: results in the order of the items, with only a few of them in memory."""

import faulthandler
import multiprocessing
import os
import pickle
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
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
"""Items that a process gets at a time."""

PROCESSES_FROM = 32
"""Number of items from which processes are used, so that a decoder that crashes or never ends costs only its own file.
They take half a second to start, which is most of the time for fewer items."""

TIME_LIMIT = 60.0
"""Seconds that a process may work on one item. A file may lead its decoder into an endless loop."""

THREADS = 8
"""Largest number of threads. Decoders release Python's lock, so a few threads help, and more than these do not."""


def map_in_order(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    processes: bool,
    crashed: Callable[[Item], Result],
    timed_out: Callable[[Item], Result] | None = None,
) -> Generator[Result]:
    """Yield the result of `work` for each item, in the order of the items.

    The processes are Loky's. Unlike those of the standard library they do not run the caller's script again, so a
    script needs no `if __name__ == "__main__"`, and the death of a process is noticed.

    Args:
        work: The function to call. With processes, it must be picklable.
        items: Its arguments.
        processes: Whether to use processes if there are enough items; otherwise threads are used.
        crashed: Returns the result for an item on which a process died.
        timed_out: Returns the result for an item on which a process exceeded the time limit; by default `crashed`.
    """
    cores = available_cores()
    in_daemon = multiprocessing.current_process().daemon  # Python does not let a pool's process start others
    if not processes or in_daemon or cores == 1 or len(items) < PROCESSES_FROM:
        Image.init()  # Pillow loads its decoders here, which is safer before the threads start
        with ThreadPoolExecutor(max_workers=min(THREADS, 2 * cores)) as pool:
            for start in range(0, len(items), 2 * CHUNK):
                yield from pool.map(work, items[start : start + 2 * CHUNK])
        return
    start = 0
    while start < len(items):
        for result in _until_crash(work, items, start, cores):
            yield result
            start += 1
        suspects = items[start : start + _chunks_ahead(cores) * CHUNK]  # empty unless one of these killed its process
        for result in _one_by_one(work, suspects, crashed, timed_out or crashed):
            yield result
            start += 1


def _chunks_ahead(cores: int) -> int:
    """Return the number of chunks that are submitted at a time."""
    return 2 * cores + 2


def _until_crash(work: Callable[[Item], Result], items: Sequence[Item], start: int, cores: int) -> Iterator[Result]:
    """Yield results from the item number `start` on, to the end or until a process dies."""
    chunks = (items[at : at + CHUNK] for at in range(start, len(items), CHUNK))
    waiting: deque[Future[bytes]] = deque()
    with _processes(cores, work) as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(_work_on, chunk))
                if len(waiting) == _chunks_ahead(cores):
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
    crashed: Callable[[Item], Result],
    timed_out: Callable[[Item], Result],
) -> Iterator[Result]:
    """Yield results from one process that gets one item at a time, which shows the item on which it dies."""
    done = 0
    while done < len(items):
        with _processes(1, work) as pool:
            try:
                for item in items[done:]:
                    start = time.monotonic()
                    yield from pickle.loads(pool.submit(_work_on, [item]).result())
                    done += 1
            except BrokenProcessPool:
                yield (timed_out if time.monotonic() - start >= TIME_LIMIT else crashed)(items[done])
                done += 1


def _processes(cores: int, work: Callable[[Any], Any]) -> Executor:
    """Return a pool of processes that know their work."""
    with warnings.catch_warnings(action="ignore"):
        return ProcessPoolExecutor(
            max_workers=cores, initializer=_start_worker, initargs=(work, os.getpid(), TIME_LIMIT)
        )


_work: Callable[[Any], Any]
_limit: float
_devnull: TextIO


def _start_worker(work: Callable[[Any], Any], parent: int, limit: float) -> None:
    """Prepare a process. It gets the work once, and afterwards only items."""
    global _work, _limit, _devnull
    _work, _limit, _devnull = work, limit, open(os.devnull, "w")  # noqa: SIM115 - open as long as the process lives
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    warnings.simplefilter("ignore")  # Pillow warns of oddities that the audit reports
    Image.init()


def _exit_with_parent(parent: int) -> None:
    """End this process when its parent was killed. Otherwise it would wait for work for ever."""
    while psutil.pid_exists(parent) and os.getppid() == parent:  # Windows keeps the parent's number: pid_exists tells
        time.sleep(1)
    os._exit(1)


def _work_on(items: Sequence[Any]) -> bytes:
    """Return the pickled results for some items.

    One item must be done within the time limit, several within twice the limit: a timer for each item would cost a
    tenth of the time. After that the process ends, even if compiled code never returns to Python, and each item of the
    chunk is tried alone. The results are pickled here because Loky's own pickler is slower.
    """
    faulthandler.dump_traceback_later(_limit * min(len(items), 2), exit=True, file=_devnull)
    try:
        return pickle.dumps([_work(item) for item in items], pickle.HIGHEST_PROTOCOL)
    finally:
        faulthandler.cancel_dump_traceback_later()
