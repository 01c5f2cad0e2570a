"""Train a tiny run many times in child processes that are killed at random moments, and compare each finished run.

`python tests/killed.py FOLDER KILLS SEED` prints one line for each run and, at the end, a JSON object with the figures.
The children are forked after Pippin is imported, so that a kill costs no start of Python.
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path

import keras
import numpy as np

keras.utils.set_random_seed  # noqa: B018  loads the engine's modules before the children are forked
sys.path.insert(0, str(Path(__file__).parent))

import tiny  # noqa: E402

import pippin  # noqa: E402
from pippin import measure  # noqa: E402
from pippin.errors import PippinError  # noqa: E402
from pippin.session.reporting import Reporter  # noqa: E402
from pippin.training import trainer  # noqa: E402

TICK, BATCHES, CHECKUP_BATCHES = 3, 30, 6
"""Batches between two ticks, in a run, and between two checkups, so that most of the time something is written."""

IMAGES = tiny.pictures(40)


class CountingReporter(Reporter):
    """Writes the number of batches trained so far into memory that the parent process reads after the kill."""

    def __init__(self, shared):
        self.shared = shared

    def on_batch_end(self, batches, measures):
        self.shared[:4] = struct.pack("i", batches)


def train(path, shared):
    """Train the run, or resume it, with cheap features for the checkups."""
    trainer.TICK = TICK
    measure.extract = lambda images, network: images.reshape(len(images), -1)[:, ::24] / 255.0
    tiny.train(
        path, CountingReporter(shared), IMAGES, batches=BATCHES, checkup=4 * CHECKUP_BATCHES, anchored=0.5, held_out=0.0
    )


def child(path, shared):
    """Start a child process that trains, and return its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.dup2(os.open(f"{path}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        train(path, shared)
        code = 0
    except BaseException as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def finish_or_kill(path, shared, seconds):
    """Train until the run is finished or the time is over. Return the seconds it took if it finished, or else None."""
    start = time.monotonic()
    process = child(path, shared)
    while time.monotonic() < start + seconds:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            if status:
                raise SystemExit(f"training failed: {Path(f'{path}.txt').read_text()}")
            return time.monotonic() - start
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def differences(path, whole):
    """Return the names of what differs between a finished run and the undisturbed one."""
    run, other = pippin.open_run(path), pippin.open_run(whole)
    log, expected = ([entry["batches"] for entry in one.log()] for one in (run, other))
    found = [name for name in ("checkpoint", "best") if not tiny.same(tiny.state(run, name), tiny.state(other, name))]
    found += ["log"] if log != expected else []
    found += ["checkups"] if run.checkups() != other.checkups() else []
    snapshots, wanted = run.snapshots(), other.snapshots()
    same = snapshots.keys() == wanted.keys() and all((snapshots[n] == wanted[n]).all() for n in wanted)
    found += [] if same else ["snapshots"]
    images = ("timeline.png", "latest.png")
    found += [name for name in images if (path / name).read_bytes() != (whole / name).read_bytes()]
    names, right = (
        sorted(file.relative_to(one).as_posix() for file in one.rglob("*") if "tfevents" not in file.name)
        for one in (path, whole)
    )
    return found + ([] if names == right else [f"files {set(names) ^ set(right)}"])


def main(folder, kills, seed):
    """Kill `kills` times, and print the figures."""
    os.environ.setdefault("PIPPIN_CACHE", str(folder / "cache"))
    rng, shared = random.Random(seed), mmap.mmap(-1, 4)
    whole = folder / "whole"
    duration = finish_or_kill(whole, shared, 600)
    lost, runs, different, killed, writing = [], 0, [], 0, 0
    while killed < kills:
        path, before = folder / f"run{runs}", killed
        shared[:4] = struct.pack("i", 0)
        longer = 1.0
        while not (seconds := finish_or_kill(path, shared, rng.uniform(0.05, 1.1) * duration * longer)):
            killed += 1
            longer *= 1.1  # so that every run ends, however busy the machine has become
            try:
                saved = pippin.open_run(path).batches
            except PippinError:
                saved = 0  # killed before the run had its settings
            lost.append(max(0, struct.unpack("i", shared[:4])[0] - saved))
            writing += any(".part" in file.name for file in path.rglob("*"))
        runs += 1
        if killed == before:  # a whole run: the machine may be busier or less busy than at the start
            duration = seconds
        different += [f"{path.name}: {name}" for name in differences(path, whole)]
        print(f"{path.name}: {killed} kills so far, {len(different)} differences", flush=True)
    figures = {"kills": killed, "runs": runs, "different": different, "most_batches_lost": max(lost, default=0)}
    figures |= {"mean_batches_lost": float(np.mean(lost)), "killed_while_writing": writing}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
