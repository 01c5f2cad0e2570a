"""Cost of one checkup, a validation pass during training, on each engine: its time, and the memory that it adds.

    python benchmarks/checkup_cost.py [--source apples] [--image-size 64] [--engines tensorflow,jax,torch]
        [--checkups 3]

Each engine runs in a process of its own: it prepares the pictures, trains three batches of `standard`, and then does
checkups. The first one also compiles and computes the features of the real images. "Peak" is the peak resident memory
of the process, before the first checkup and after the last one. Run this on a machine without other work. Prints a
table, and writes it to benchmarks/results/checkup_cost.json.
"""

import argparse
import json
import time
from typing import Any

import harness

BATCHES = 3
"""Batches before the first checkup, so that the memory of a training step is part of the first peak."""


def main() -> None:
    """Measure every engine and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", default="apples")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--engines", default="tensorflow,jax,torch")
    parser.add_argument("--checkups", type=int, default=3, help="number of checkups, from 2")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(measure(args.source, args.image_size, args.checkups)))
        return
    names = args.engines.split(",")
    common = ["--worker", "--source", args.source, "--image-size", str(args.image_size)]
    common += ["--checkups", str(args.checkups)]
    rows = [{"engine": name, **harness.run_worker(__file__, common, name)} for name in names]
    settings = {"source": args.source, "preset": "standard", "image_size": args.image_size, "batches": BATCHES}
    about = {"machine": harness.machine(), "versions": harness.versions(names), **settings}
    harness.write_results("checkup_cost.json", {**about, "rows": rows})
    images = ", ".join(f"{count} {kind.replace('_', '-')}" for kind, count in rows[0]["images"].items())
    print(f"standard at {args.image_size}×{args.image_size}, {args.source}, {about['machine']}; images: {images}")
    print("| engine | first checkup, s | later checkups, s | peak before, MiB | peak after, MiB | added, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        first, *later = row["seconds"]
        before, after = row["peak_before"] / 2**20, row["peak_after"] / 2**20
        seconds = ", ".join(f"{each:.1f}" for each in later)
        print(
            f"| {row['engine']} {about['versions'][row['engine']]} | {first:.1f} | "
            f"{seconds} | {before:,.0f} | {after:,.0f} | {after - before:,.0f} |"
        )


def measure(source: str, image_size: int, checkups: int) -> dict[str, Any]:
    """Time checkups with the engine of this process, and read the peak memory before and after them.

    Returns:
        `seconds` of each checkup, `peak_before` and `peak_after` in bytes, and the number of `images` of each kind.
    """
    from pippin import engines, networks
    from pippin.pictures import prepare
    from pippin.session.checkups import Validator
    from pippin.settings import choose
    from pippin.training.trainer import Trainer

    dataset = prepare(source, image_size)
    settings = choose("standard", image_size, batches=100).settings
    training_set, held_out = dataset.split(settings.held_out)
    engine = engines.current()
    pair = networks.build("standard", image_size, settings.latent_dim, 0, settings.features)
    trainer = Trainer(engine, settings, pair, training_set)
    for _ in range(BATCHES):
        engine.to_host(trainer.step())
    peak_before = harness.peak_memory()
    validator = Validator(trainer, training_set, held_out)
    seconds = []
    for _ in range(checkups):
        started = time.perf_counter()
        validator.validate()
        seconds.append(time.perf_counter() - started)
    return {
        "seconds": seconds,
        "peak_before": peak_before,
        "peak_after": harness.peak_memory(),
        "images": {
            "generated": len(validator.latents),
            "held_out": len(validator.held_out_images),
            "training": len(validator.training_images),
        },
    }


if __name__ == "__main__":
    main()
