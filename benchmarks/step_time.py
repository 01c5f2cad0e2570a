"""Speed of a training step on each engine, compared with a large matrix product in the same process.

    python benchmarks/step_time.py [--image-size 64] [--preset standard] [--rounds 3] [--steps 12]

The engines take turns, each in a process of its own, so that a machine whose speed drifts is fair to all of them.
Prints one row for each engine: the median of the rounds. Writes all rounds to benchmarks/results/step_time.json.

The matrix product consists of two large products that do not depend on each other, so that an engine that runs
operations side by side uses all cores for them too.

GFLOP/s counts the multiplications and additions of convolutions and dense layers, and nothing else. With F for one
forward pass through a network, a step of the one-pass rule needs for each pair of a real and a generated image

    3 F(generator)           forward, gradient by input, gradient by weights
    2 · 6 F(discriminator)   forward and gradient by input; then both again, differentiated: two products each
    3 F(projector)           forward for both; gradient by input for the generated one

Layers that read the image itself need one of the six less. That is under one per cent and is not subtracted. A step of
the alternating rule needs 3 F(generator) + 2 · 3 F(discriminator) + 2 F(discriminator) + F(discriminator), where the
last two terms are for the generator's update.
"""

import argparse
import json
import math
import statistics
import time
from typing import Any

import harness

ENGINES = ("tensorflow", "jax", "torch")
MATRIX = 4096


def main() -> None:
    """Measure the engines in turns and print the table."""
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
    names = args.engines.split(",")
    worker = ["--worker", "--preset", args.preset, "--image-size", str(args.image_size), "--steps", str(args.steps)]
    rounds = [
        {"engine": name, **harness.run_worker(__file__, worker, name)} for _ in range(args.rounds) for name in names
    ]
    machine, versions = harness.machine(), harness.versions(names)
    settings = {"preset": args.preset, "image_size": args.image_size, "steps": args.steps}
    harness.write_results("step_time.json", {"machine": machine, **settings, "versions": versions, "rounds": rounds})
    print(
        f"{args.preset} at {args.image_size}×{args.image_size}, {machine}, {args.rounds} rounds of {args.steps} steps"
    )
    print("| engine | images/s | GFLOP/s | matrix product, GFLOP/s | share | first step, s | parameters |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        print(table_row(f"{name} {versions[name]}", [row for row in rounds if row["engine"] == name]))


def table_row(title: str, rounds: list[dict[str, Any]]) -> str:
    """Return an engine's row of the table: the medians of its rounds."""
    median = {key: statistics.median(row[key] for row in rounds) for key in rounds[0] if key != "engine"}
    share = statistics.median(row["gflops"] / row["matrix_gflops"] for row in rounds)
    return (
        f"| {title} | {median['images_per_second']:.0f} | {median['gflops']:.0f} | "
        f"{median['matrix_gflops']:.0f} | {share:.0%} | {median['first_seconds']:.1f} | "
        f"{median['generator_parameters']:,.0f} + {median['discriminator_parameters']:,.0f} |"
    )


def measure(preset: str, image_size: int, steps: int) -> dict[str, Any]:
    """Time the step and the matrix product with the engine of this process."""
    import keras
    import numpy as np

    from pippin import engines, networks
    from pippin.settings import choose
    from pippin.training.trainer import Trainer

    engine = engines.current()
    settings = choose(preset, image_size).settings
    pair = networks.build(preset, image_size, settings.latent_dim, features=settings.features)
    images = np.random.default_rng(0).integers(0, 256, (256, image_size, image_size, 3), dtype=np.uint8)
    trainer = Trainer(engine, settings, pair, images)

    def step() -> None:
        engine.to_host(trainer.step())

    first = seconds_for(step)
    for _ in range(2):
        step()
    durations = [seconds_for(step) for _ in range(steps // 2)]
    matrix = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=(MATRIX, MATRIX)).astype("float32"))
    multiply = engine.jit(lambda one, other: (keras.ops.matmul(one, one), keras.ops.matmul(other, one)))
    products = [seconds_for(lambda: engine.to_host(multiply(matrix + 0, matrix + 1))) for _ in range(6)][1:]
    durations += [seconds_for(step) for _ in range(steps - steps // 2)]
    step_seconds = statistics.median(durations)
    flops = settings.batch_size * step_flops(pair, trainer.rule)
    return {
        "images_per_second": settings.batch_size / step_seconds,
        "gflops": flops / step_seconds / 1e9,
        "matrix_gflops": 2 * 2 * MATRIX**3 / statistics.median(products) / 1e9,
        "first_seconds": first,
        "generator_parameters": pair.generator.count_params(),
        "discriminator_parameters": pair.discriminator.count_params(),
    }


def step_flops(networks: Any, rule: str) -> float:
    """Return the floating-point operations of one step for each pair of a real and a generated image."""
    generator, discriminator = forward_flops(networks.generator), forward_flops(networks.discriminator)
    projector = forward_flops(networks.projector) if networks.projector else 0
    return 3 * generator + (12 if rule == "relativistic" else 9) * discriminator + 3 * projector


def forward_flops(model: Any) -> float:
    """Return the floating-point operations of one forward pass for one image: two for each multiply-add."""
    from keras import layers

    total = 0.0
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += forward_flops(layer)
        elif isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            _, height, width, _ = layer.output.shape
            total += 2 * height * width * math.prod(layer.kernel.shape)
        elif isinstance(layer, layers.Dense):
            total += 2 * math.prod(layer.kernel.shape)
    return total


def seconds_for(work: Any) -> float:
    """Return how many seconds a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
