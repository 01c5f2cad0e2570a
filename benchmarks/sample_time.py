"""Speed of sampling: Keras on each engine, as `pippin sample` uses it, and ONNX Runtime with the exported generator.

    python benchmarks/sample_time.py RUN [--rounds 3] [--pictures 64]

The backends take turns, each in a process of its own, so that a machine whose speed drifts is fair to all of them.
Prints one row for each backend: the median of the rounds, by wall-clock time and by processor time, which depends less
on other work on the machine. Writes all rounds to benchmarks/results/sample_time.json.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness


def main() -> None:
    """Measure the backends in turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--backends", default=",".join(harness.PACKAGES))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--onnx", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(args.worker, args.run, args.onnx, args.pictures)))
        return
    backends = args.backends.split(",")
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "generator.onnx"
        if "onnxruntime" in backends:
            import pippin

            pippin.open_run(args.run).export("onnx", onnx)
        rounds = [{"backend": name, **run(name, args, onnx)} for _ in range(args.rounds) for name in backends]
    settings = json.loads((args.run / "settings.json").read_text(encoding="utf-8"))["settings"]
    about = {key: settings[key] for key in ("image_size", "preset")} | {"pictures": args.pictures}
    machine, versions = harness.machine(), harness.versions(backends)
    harness.write_results("sample_time.json", {"machine": machine, **about, "versions": versions, "rounds": rounds})
    print(f"{about['preset']} at {about['image_size']}×{about['image_size']}, {args.pictures} images, {machine}")
    print("| backend | images/s | images/s of processor time | first image, s |")
    print("| --- | --- | --- | --- |")
    for name in backends:
        median = {
            key: statistics.median(row[key] for row in rounds if row["backend"] == name)
            for key in ("images_per_second", "images_per_cpu_second", "first_seconds")
        }
        print(
            f"| {name} {versions[name]} | {median['images_per_second']:.0f} | "
            f"{median['images_per_cpu_second']:.0f} | {median['first_seconds']:.2f} |"
        )


def run(backend: str, args: argparse.Namespace, onnx: Path) -> dict[str, Any]:
    """Measure one backend in a process of its own."""
    arguments = [str(args.run), "--worker", backend, "--onnx", str(onnx), "--pictures", str(args.pictures)]
    return harness.run_worker(__file__, arguments, None if backend == "onnxruntime" else backend)


def measure(backend: str, run: Path, onnx: Path, pictures: int) -> dict[str, float]:
    """Time one backend in this process: the first image, and then three times `pictures` images."""
    generate = with_onnx_runtime(onnx) if backend == "onnxruntime" else with_engine(run)
    started = time.perf_counter()
    generate(1)
    first = time.perf_counter() - started
    generate(pictures)
    wall_times, cpu_times = [], []
    for _ in range(3):
        started, cpu_started = time.perf_counter(), time.process_time()
        generate(pictures)
        wall_times.append(time.perf_counter() - started)
        cpu_times.append(time.process_time() - cpu_started)
    return {
        "images_per_second": pictures / statistics.median(wall_times),
        "images_per_cpu_second": pictures / statistics.median(cpu_times),
        "first_seconds": first,
    }


def with_engine(run: Path) -> Callable[[int], Any]:
    """Return a function that generates images with the engine of this process."""
    import pippin

    opened = pippin.open_run(run)
    opened.use_backend("the engine")  # also loads the weights, which is not part of the measured time
    return lambda count: opened.sample(count)


def with_onnx_runtime(path: Path) -> Callable[[int], Any]:
    """Return a function that generates images with ONNX Runtime in batches of 16, the batch size for 64×64."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [latents] = session.get_inputs()
    batch = np.random.default_rng(0).standard_normal((16, latents.shape[1])).astype("float32")

    def generate(count: int) -> list[np.ndarray]:
        batches = []
        for _ in range(0, count, 16):
            [images] = session.run(None, {latents.name: batch})
            batches.append(np.clip((images + 1) * 127.5, 0, 255).astype(np.uint8))
        return batches

    return generate


if __name__ == "__main__":
    main()
