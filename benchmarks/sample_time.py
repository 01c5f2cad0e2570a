"""How fast a run paints: Keras on each engine, as `pippin sample` does it, and ONNX Runtime with what was exported.

    python benchmarks/sample_time.py RUN [--rounds 3] [--pictures 64]

The painters take turns, each in a process of its own, so that a machine whose speed drifts is fair to all. Prints
a row a painter: the median of the rounds, by the clock and by the processors' own time, which other work on the machine
disturbs less. Writes all rounds to benchmarks/results/sample_time.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAINTERS = {"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch", "onnxruntime": "onnxruntime"}
"""And the distributions whose versions are told."""

RESULTS = Path(__file__).parent / "results" / "sample_time.json"


def main() -> None:
    """Let the painters take turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--painters", default=",".join(PAINTERS))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--onnx", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(args.worker, args.run, args.onnx, args.pictures)))
        return
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "generator.onnx"
        painters = args.painters.split(",")
        if "onnxruntime" in painters:
            write_onnx(args.run, onnx)
        rounds = [
            {"painter": painter, **run_worker(painter, args, onnx)} for _ in range(args.rounds) for painter in painters
        ]
    settings = json.loads((args.run / "settings.json").read_text(encoding="utf-8"))["settings"]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    held = {"machine": machine, "image_size": settings["image_size"], "preset": settings["preset"]}
    held |= {"pictures": args.pictures, "versions": {name: version(PAINTERS[name]) for name in painters}}
    held |= {"keras": version("keras"), "rounds": rounds}
    RESULTS.write_text(json.dumps(held, indent=1) + "\n")
    print(f"{held['preset']} at {held['image_size']}×{held['image_size']}, {args.pictures} pictures, {machine}")
    print("| painter | images/s | images/s of processor time | first pictures, s |")
    print("| --- | --- | --- | --- |")
    for painter in painters:
        median = {
            key: statistics.median(found[key] for found in rounds if found["painter"] == painter)
            for key in ("images_per_second", "images_per_cpu_second", "first_seconds")
        }
        print(
            f"| {painter} {held['versions'][painter]} | {median['images_per_second']:.0f} | "
            f"{median['images_per_cpu_second']:.0f} | {median['first_seconds']:.2f} |"
        )


def write_onnx(run: Path, path: Path) -> None:
    """Export the run's generator, as anyone would."""
    import pippin

    pippin.open_run(run).export("onnx", path)


def run_worker(painter: str, args: argparse.Namespace, onnx: Path) -> dict[str, Any]:
    """Measure one painter in a process of its own."""
    command = [sys.executable, __file__, str(args.run), "--worker", painter]
    command += ["--onnx", str(onnx), "--pictures", str(args.pictures)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if painter != "onnxruntime":
        environment["KERAS_BACKEND"] = painter
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{painter} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(painter: str, run: Path, onnx: Path, pictures: int) -> dict[str, float]:
    """Time one painter in this process: the first pictures, and then so many of them three times."""
    paint = onnx_painter(onnx) if painter == "onnxruntime" else keras_painter(run)
    clock = time.perf_counter()
    paint(1)
    first = time.perf_counter() - clock
    paint(pictures)
    walls, processors = [], []
    for _ in range(3):
        clock, processor = time.perf_counter(), time.process_time()
        paint(pictures)
        walls.append(time.perf_counter() - clock)
        processors.append(time.process_time() - processor)
    return {
        "images_per_second": pictures / statistics.median(walls),
        "images_per_cpu_second": pictures / statistics.median(processors),
        "first_seconds": first,
    }


def keras_painter(run: Path) -> Callable[[int], Any]:
    """Return what paints with the engine of this process."""
    import pippin

    opened = pippin.open_run(run)
    opened.use_backend("the engine")  # reads the weights, too, for reading is not painting
    return lambda count: opened.sample(count)


def onnx_painter(path: Path) -> Callable[[int], Any]:
    """Return what paints with ONNX Runtime, 16 pictures at a time, as many as Keras is given of 64×64."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [latents] = session.get_inputs()
    drawn = np.random.default_rng(0).standard_normal((16, latents.shape[1])).astype("float32")

    def paint(count: int) -> list[np.ndarray]:
        painted = []
        for _ in range(0, count, 16):
            [images] = session.run(None, {latents.name: drawn})
            painted.append(np.clip((images + 1) * 127.5, 0, 255).astype(np.uint8))
        return painted

    return paint


if __name__ == "__main__":
    main()
