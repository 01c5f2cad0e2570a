"""How fast a training step is, beside what the machine's matrix product reaches in the same run, on each engine.

    python benchmarks/step_time.py [--image-size 64] [--preset standard] [--rounds 3] [--steps 12]

The engines take turns, each in a process of its own, so that a machine whose speed drifts is fair to all of them.
Prints one row an engine: the median of the rounds. Writes all rounds to benchmarks/results/step_time.json.

The matrix product is two large ones that wait for nothing, so that an engine which runs operations side by side uses
all cores for them, too.

GFLOP/s counts the multiplications and additions of the convolutions and dense layers, nothing else. With F for one
forward pass through a network, a step of the one-pass rule needs for each pair of a real and a generated picture

    3 F(generator)           forward, gradient by input, gradient by weights
    2 · 6 F(discriminator)   forward and gradient by input; then both once more, differentiated: two products each
    3 F(projector)           forward for both; gradient by input for the generated one

(layers that read the picture itself save one of the six, which is not subtracted: under one per cent), and one of the
alternating rule 3 F(generator) + 2 · 3 F(discriminator) + 2 F(discriminator) + F(discriminator) for the second player.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ENGINES = ("tensorflow", "jax", "torch")
RESULTS = Path(__file__).parent / "results" / "step_time.json"
MATRIX = 4096


def main() -> None:
    """Run the engines in turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(args.preset, args.image_size, args.steps)))
        return
    rounds = [
        {"engine": engine, **run_worker(engine, args)} for _ in range(args.rounds) for engine in args.engines.split(",")
    ]
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    settings = {"preset": args.preset, "image_size": args.image_size, "steps": args.steps}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"machine": machine, **settings, "rounds": rounds}, indent=1) + "\n")
    print(
        f"{args.preset} at {args.image_size}×{args.image_size}, {machine}, {args.rounds} rounds of {args.steps} steps"
    )
    print("| engine | images/s | GFLOP/s | matrix product, GFLOP/s | share | first step, s | parameters |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for engine in args.engines.split(","):
        print(row(engine, [r for r in rounds if r["engine"] == engine]))


def row(engine: str, rounds: list[dict[str, Any]]) -> str:
    """Return an engine's line of the table: the medians of its rounds."""
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0] if key not in ("engine", "version")}
    share = statistics.median(r["gflops"] / r["matrix_gflops"] for r in rounds)
    return (
        f"| {engine} {rounds[0]['version']} | {median['images_per_second']:.0f} | {median['gflops']:.0f} | "
        f"{median['matrix_gflops']:.0f} | {share:.0%} | {median['first_seconds']:.1f} | "
        f"{median['generator_parameters']:,.0f} + {median['discriminator_parameters']:,.0f} |"
    )


def run_worker(engine: str, args: argparse.Namespace) -> dict[str, Any]:
    """Measure one engine in a process of its own."""
    command = [sys.executable, __file__, "--worker", "--preset", args.preset]
    command += ["--image-size", str(args.image_size), "--steps", str(args.steps)]
    environment = {**os.environ, "KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{engine} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(preset: str, image_size: int, steps: int) -> dict[str, Any]:
    """Time the step and the matrix product under the engine of this process."""
    import keras
    import numpy as np

    from pippin import engines, networks
    from pippin.settings import choose
    from pippin.training.trainer import Trainer

    engine = engines.current()
    settings = choose(preset, image_size).settings
    players = networks.build(preset, image_size, settings.latent_dim, features=settings.features)
    images = np.random.default_rng(0).integers(0, 256, (256, image_size, image_size, 3), dtype=np.uint8)
    trainer = Trainer(engine, settings, players, images)
    first = seconds_for(lambda: engine.to_host(trainer.step()))
    for _ in range(2):
        engine.to_host(trainer.step())
    half = [seconds_for(lambda: engine.to_host(trainer.step())) for _ in range(steps // 2)]
    matrix = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=(MATRIX, MATRIX)).astype("float32"))
    pair = engine.jit(lambda one, other: (keras.ops.matmul(one, one), keras.ops.matmul(other, one)))
    products = [seconds_for(lambda: engine.to_host(pair(matrix + 0, matrix + 1))) for _ in range(6)][1:]
    step_seconds = statistics.median(
        half + [seconds_for(lambda: engine.to_host(trainer.step())) for _ in range(steps - steps // 2)]
    )
    work = settings.batch_size * step_flops(players, trainer.rule)
    return {
        "version": version({"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch"}[engine.name]),
        "images_per_second": settings.batch_size / step_seconds,
        "gflops": work / step_seconds / 1e9,
        "matrix_gflops": 2 * 2 * MATRIX**3 / statistics.median(products) / 1e9,
        "first_seconds": first,
        "generator_parameters": players.generator.count_params(),
        "discriminator_parameters": players.discriminator.count_params(),
    }


def step_flops(players: Any, rule: str) -> float:
    """Return the floating-point operations of one step for each pair of pictures."""
    painting, judging = forward_flops(players.generator), forward_flops(players.discriminator)
    seeing = 3 * forward_flops(players.projector) if players.projector else 0
    return 3 * painting + (12 if rule == "relativistic" else 9) * judging + seeing


def forward_flops(model: Any) -> float:
    """Return the floating-point operations of one forward pass for one picture: two a multiply-add."""
    from keras import layers

    total = 0.0
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += forward_flops(layer)
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            _, height, width, _ = layer.output.shape
            total += 2 * height * width * _size(layer.kernel)
        elif isinstance(layer, layers.Dense):
            total += 2 * _size(layer.kernel)
    return total


def _size(variable: Any) -> int:
    return math.prod(variable.shape)


def seconds_for(work: Any) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
