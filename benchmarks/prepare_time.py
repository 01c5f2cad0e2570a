"""How fast pictures are prepared, and in how much memory, beside a plain loop of Pillow on one core.

    python benchmarks/prepare_time.py [--count 100000] [--side 256] [--image-size 64] [--rounds 3] [--cores 2]

Makes so many JPEGs, all of them different, in a temporary folder. The plain loop and Pippin take turns on them, each in
a process of its own: the loop opens, converts, cuts out the middle square, resizes and makes an array, and keeps
nothing; Pippin does all that `pippin audit --quick` does, writes what it prepared, and begins anew each time. Prints a
table with the medians, and writes all rounds to benchmarks/results/prepare_time.json.

On a machine with other work, compare the CPU seconds a picture, which are user and system time of all processes. Memory
is the largest sum over the process and its children of what they hold alone (where the system tells it, else of their
resident sets), looked at twice a second.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

RESULTS = Path(__file__).parent / "results" / "prepare_time.json"
A_FOLDER = 1000


def main() -> None:
    """Make the pictures, let both take turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Use these pictures and make none.")
    parser.add_argument("--worker", choices=("plain", "pippin"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    if args.worker:
        work = {"plain": plain, "pippin": prepared}[args.worker]
        print(json.dumps(measured(partial(work, args.folder, args.image_size))))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or make(Path(made), args.count, args.side)
        rounds = [{"what": what, **run(what, folder, args)} for _ in range(args.rounds) for what in ("plain", "pippin")]
    about = {"count": rounds[0]["count"], "side": args.side, "image_size": args.image_size, "cores": args.cores}
    machine = f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, **about, "rounds": rounds}, indent=1) + "\n")
    print(f"{about['count']:,} pictures → {args.image_size}×{args.image_size}, {args.cores} cores of {machine}")
    print("| what | pictures/s | CPU ms a picture | peak memory, MiB |")
    print("| --- | --- | --- | --- |")
    rates = {}
    for what in ("plain", "pippin"):
        rates[what], cpu, peak = (
            statistics.median(one[key] for one in rounds if one["what"] == what) for key in ("rate", "cpu_ms", "peak")
        )
        print(f"| {what} | {rates[what]:,.0f} | {cpu:.3f} | {peak / 2**20:,.0f} |")
    print(f"pippin / plain: {rates['pippin'] / rates['plain']:.2f}")


def make(folder: Path, count: int, side: int) -> Path:
    """Write so many JPEGs of soft spots and noise, a thousand a folder."""
    for start in range(0, count, A_FOLDER):
        (folder / f"{start:07}").mkdir()
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(partial(_make_one, folder, side), range(count), chunksize=A_FOLDER):
            pass
    return folder


def _make_one(folder: Path, side: int, number: int) -> None:
    draw = np.random.default_rng(number)
    spots = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8))
    picture = np.asarray(spots.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
    noisy = np.clip(picture + draw.integers(-12, 13, (side, side, 1), np.int16), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(folder / f"{number // A_FOLDER * A_FOLDER:07}" / f"{number:07}.jpg", quality=85)


def run(what: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one of the two in a process of its own."""
    command = [sys.executable, __file__, "--worker", what, "--folder", str(folder)]
    command += ["--image-size", str(args.image_size), "--cores", str(args.cores if what == "pippin" else 1)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{what} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def plain(folder: Path, image_size: int) -> int:
    """Do the least that gives pictures of one size."""
    count = 0
    for path in sorted(folder.rglob("*.*")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        np.asarray(image.crop((left, top, left + side, top + side)).resize((image_size, image_size)))
        count += 1
    return count


def prepared(folder: Path, image_size: int) -> int:
    """Let Pippin audit the pictures, and say it."""
    import pippin

    with tempfile.TemporaryDirectory() as cache:
        os.environ["PIPPIN_CACHE"] = cache
        found = pippin.audit(folder, image_size=image_size, outliers=False)
        found.lines()
        return len(found.dataset.audit.entries)


def measured(work: Callable[[], int]) -> dict[str, float]:
    """Do some work, and look at its time and memory."""
    peaks, done = [0], threading.Event()
    watch = threading.Thread(target=_watch, args=(peaks, done))
    watch.start()
    started = time.perf_counter()
    count = work()
    seconds = time.perf_counter() - started
    done.set()
    watch.join()
    spent = os.times()
    cpu = spent.user + spent.system + spent.children_user + spent.children_system
    return {"count": count, "rate": count / seconds, "cpu_ms": 1000 * cpu / count, "peak": peaks[0]}


def _watch(peaks: list[int], done: threading.Event) -> None:
    process = psutil.Process()
    while not done.wait(0.5):  # a look takes milliseconds of a core
        peaks[0] = max(peaks[0], sum(_held([process, *process.children(recursive=True)])))


def _held(processes: Iterable[psutil.Process]) -> Iterable[int]:
    for process in processes:
        try:
            told = process.memory_full_info()
            yield getattr(told, "pss", told.rss)
        except psutil.Error:  # it has ended meanwhile
            continue


if __name__ == "__main__":
    main()
