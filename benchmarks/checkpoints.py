"""What a checkpoint costs: its size, and the time of its checksums, of writing, of verifying and of loading it.

`python benchmarks/checkpoints.py [IMAGE_SIZE …]`
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pippin import networks
from pippin.runs import state_file
from pippin.training.step import initial_state

REPEATS = 5
"""Measurements of each time; the fastest is printed, because other programs only ever add to it."""


def fastest(action: Callable[[], Any]) -> float:
    """Return the shortest of several durations of an action, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def measure(size: int, folder: Path) -> str:
    """Return the row of the table for an image size."""
    built = networks.build("standard", size, 128, 0, "efficientnet-lite0", channels=3)
    state = initial_state(built.generator, built.discriminator)
    arrays = list(state_file.flatten(state).values())
    path, previous = folder / f"{size}.safetensors", folder / f"{size}-previous.safetensors"
    times = [
        fastest(lambda: list(map(state_file.checksum, arrays))),
        fastest(lambda: state_file.save_state(path, state, {"batches": 0}, previous)),
        fastest(lambda: state_file.verify_state(path)),
        fastest(lambda: state_file.load_state(path, state)),
    ]
    columns = "  ".join(f"{milliseconds:8.0f}" for milliseconds in times)
    return f"{size:10}  {path.stat().st_size / 1e6:9.1f}  {columns}"


def main(sizes: list[int]) -> None:
    """Print a table with a row for each image size."""
    print("image size  megabytes  checksum      save    verify      load  (milliseconds)")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            print(measure(size, Path(folder)))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [64])
