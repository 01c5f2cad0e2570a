"""Speed and memory of preparing pictures, compared with a plain Pillow loop on one core.

    python benchmarks/prepare_time.py [--count 100000] [--side 256] [--image-size 64] [--rounds 3] [--cores 2]

Writes that many different JPEG files into a temporary folder. The plain loop and Pippin then take turns, each in a
process of its own. The loop opens, converts, crops to the central square, resizes and makes an array, and keeps
nothing. Pippin does everything that `pippin audit --quick` does, with an empty cache each time, and writes the prepared
pictures. Prints a table of medians, and writes all rounds to benchmarks/results/prepare_time.json.

On a machine with other work, compare the CPU time for each picture: user and system time of all processes. Memory is
the largest sum over the process and its children, sampled twice a second. It counts the proportional set size where the
system reports it, otherwise the resident set size.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
import psutil
from PIL import Image

FILES_PER_FOLDER = 1000


def main() -> None:
    """Write the pictures, measure both ways in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Use the pictures in this folder and write none.")
    parser.add_argument("--worker", choices=("plain", "pippin"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    if args.worker:
        work = {"plain": prepare_plainly, "pippin": prepare_with_pippin}[args.worker]
        print(json.dumps(measure(partial(work, args.folder, args.image_size))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or write_pictures(Path(temporary), args.count, args.side)
        rounds = [{"what": what, **run(what, folder, args)} for _ in range(args.rounds) for what in ("plain", "pippin")]
    about = {"count": rounds[0]["count"], "side": args.side, "image_size": args.image_size, "cores": args.cores}
    machine = harness.machine()
    harness.write_results("prepare_time.json", {"machine": machine, **about, "rounds": rounds})
    print(f"{about['count']:,} pictures → {args.image_size}×{args.image_size}, {args.cores} cores of {machine}")
    print("| what | pictures/s | CPU ms per picture | peak memory, MiB |")
    print("| --- | --- | --- | --- |")
    rates = {}
    for what in ("plain", "pippin"):
        rates[what], cpu, peak = (
            statistics.median(row[key] for row in rounds if row["what"] == what) for key in ("rate", "cpu_ms", "peak")
        )
        print(f"| {what} | {rates[what]:,.0f} | {cpu:.3f} | {peak / 2**20:,.0f} |")
    print(f"pippin / plain: {rates['pippin'] / rates['plain']:.2f}")


def write_pictures(folder: Path, count: int, side: int) -> Path:
    """Write JPEG files of soft spots and noise, and return their folder."""
    for start in range(0, count, FILES_PER_FOLDER):
        (folder / f"{start:07}").mkdir()
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_write_picture, folder, side), range(count), chunksize=FILES_PER_FOLDER):
            pass
    return folder


def _write_picture(folder: Path, side: int, number: int) -> None:
    rng = np.random.default_rng(number)
    spots = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    picture = np.asarray(spots.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(picture + rng.integers(-12, 13, (side, side, 1), np.int16), 0, 255).astype(np.uint8)
    name = f"{number // FILES_PER_FOLDER * FILES_PER_FOLDER:07}/{number:07}.jpg"
    Image.fromarray(noisy).save(folder / name, quality=85)


def run(what: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one of the two ways in a process of its own."""
    arguments = ["--worker", what, "--folder", str(folder), "--image-size", str(args.image_size)]
    return harness.run_worker(__file__, [*arguments, "--cores", str(args.cores if what == "pippin" else 1)])


def prepare_plainly(folder: Path, image_size: int) -> int:
    """Do the least that gives images of one size, and return the number of files."""
    count = 0
    for path in sorted(folder.rglob("*.*")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        np.asarray(image.crop((left, top, left + side, top + side)).resize((image_size, image_size)))
        count += 1
    return count


def prepare_with_pippin(folder: Path, image_size: int) -> int:
    """Audit the pictures with an empty cache, and return the number of files."""
    import pippin

    with tempfile.TemporaryDirectory() as cache:
        os.environ["PIPPIN_CACHE"] = cache
        audit = pippin.audit(folder, image_size=image_size, outliers=False)
        audit.lines()
        return len(audit.dataset.audit.entries)


def measure(work: Callable[[], int]) -> dict[str, float]:
    """Call a function that returns a number of files, and return its speed, CPU time and peak memory."""
    peaks, done = [0], threading.Event()
    watcher = threading.Thread(target=_watch_memory, args=(peaks, done))
    watcher.start()
    started = time.perf_counter()
    count = work()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    times = os.times()
    cpu = times.user + times.system + times.children_user + times.children_system
    return {"count": count, "rate": count / seconds, "cpu_ms": 1000 * cpu / count, "peak": peaks[0]}


def _watch_memory(peaks: list[int], done: threading.Event) -> None:
    process = psutil.Process()
    while not done.wait(0.5):  # one sample takes milliseconds of a core
        peaks[0] = max(peaks[0], sum(_memory([process, *process.children(recursive=True)])))


def _memory(processes: Iterable[psutil.Process]) -> Iterable[int]:
    for process in processes:
        try:
            info = process.memory_full_info()
            yield getattr(info, "pss", info.rss)
        except psutil.Error:  # the process has ended
            continue


if __name__ == "__main__":
    main()
