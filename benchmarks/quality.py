"""Image quality after the same wall-clock time, compared with baselines.

    python benchmarks/quality.py SOURCE [--name NAME] [--minutes 10] [--seeds 3]
        [--methods classic,dcgan,low-data,standard] [--one-core standard]

All methods train on the same pictures, with TensorFlow, each in a process of its own and in turns: seed by seed, all
methods. The methods of `--one-core` get a single core and train side by side, after the others: a harder test for them,
in less time. Each method then generates 2,048 images, which are scored against pictures that were held out from all
methods. Prints one row for each method with the median of the seeds, writes all rows to
benchmarks/results/quality-NAME.json, and writes 64 samples of each method, not selected, to
benchmarks/results/quality-NAME.png. Samples that exist already are not generated again.
"""

import argparse
import os
import statistics
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np

from pippin.host.cores import available_cores

METHODS = ("classic", "dcgan", "low-data", "standard")
SAMPLES = 2048
"""Generated images of each method and seed."""

Samples = dict[tuple[str, int], np.ndarray]
"""(method, seed) → its generated images, uint8 (2048, S, S, 3)."""


def main() -> None:
    """Train in turns, score, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--name", help="the name of the results; the source's name if not given")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", type=_names, default=METHODS, help="separated by commas")
    parser.add_argument(
        "--features",
        type=_names,
        default="efficientnet-lite1,efficientnet-lite0",
        help="feature networks for the scores, separated by commas; see also unrelated_network.py",
    )
    parser.add_argument("--one-core", type=_names, default=[], help="methods that get one core, separated by commas")
    parser.add_argument("--report", action="store_true", help="train nothing, and report the existing samples")
    parser.add_argument("--work", type=Path, default=Path("runs/quality"), help="folder of the runs and samples")
    parser.add_argument("--worker", nargs=2, metavar=("METHOD", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    name = args.name or Path(args.source).name
    work = args.work / f"{name}-{args.image_size}-{args.minutes:g}min"
    if args.worker:
        method, seed = args.worker
        train_and_sample(method, int(seed), args, work)
        return
    jobs = [(method, seed) for seed in range(args.seeds) for method in args.methods]
    jobs = [job for job in jobs if not args.report and not samples_file(work, *job).exists()]
    for job in jobs:
        if job[0] not in args.one_core:
            run_workers([job])
    bound = [job for job in jobs if job[0] in args.one_core]
    cores = available_cores()
    for start in range(0, len(bound), cores):
        run_workers(bound[start : start + cores], one_core=True)
    report(args, work, name)


def _names(text: str) -> list[str]:
    return text.split(",")


def run_workers(jobs: list[tuple[str, int]], one_core: bool = False) -> None:
    """Run (method, seed) jobs side by side, each in a process of its own; with `one_core` (Linux), on one core each."""
    cores = sorted(os.sched_getaffinity(0)) if one_core else []
    workers = []
    for n, (method, seed) in enumerate(jobs):
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", method, str(seed)]
        bind = partial(os.sched_setaffinity, 0, {cores[n]}) if one_core else None
        workers.append(subprocess.Popen(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, preexec_fn=bind))
    failed = [
        f"{method} with seed {seed}" for (method, seed), worker in zip(jobs, workers, strict=True) if worker.wait()
    ]
    if failed:
        sys.exit(f"Training {', '.join(failed)} failed; see the error above. Samples of other methods are kept.")


def samples_file(work: Path, method: str, seed: int) -> Path:
    return work / f"{method}-seed{seed}.npz"


def train_and_sample(method: str, seed: int, args: argparse.Namespace, work: Path) -> None:
    """Train one method with one seed, and save its samples."""
    import baselines

    import pippin
    from pippin.host.files import atomic_path
    from pippin.pictures import prepare
    from pippin.settings import Settings

    if method == "low-data":
        training_set, _ = prepare(args.source, args.image_size).split(Settings().held_out)
        generator = baselines.train_low_data(training_set[:], args.minutes, seed)
        latents = np.random.default_rng(seed).standard_normal((SAMPLES, 64)).astype("float32")
        images = np.rint(generator.predict(latents, batch_size=64, verbose=0) * 255).astype("uint8")
    else:
        settings: dict[str, Any] = {"preset": method}
        if method == "dcgan":
            generator, discriminator = baselines.dcgan(args.image_size)
            settings = {"generator": generator, "discriminator": discriminator, **baselines.DCGAN_SETTINGS}
        elif method == "classic":
            settings["checkup"] = 0
        settings |= {"image_size": args.image_size, "minutes": args.minutes, "seed": seed}
        images = pippin.train(args.source, work / f"{method}-seed{seed}", **settings).sample(SAMPLES, seed * SAMPLES)
    work.mkdir(parents=True, exist_ok=True)
    with atomic_path(samples_file(work, method, seed)) as part:
        np.savez_compressed(part, images=images)


def report(args: argparse.Namespace, work: Path, name: str) -> None:
    """Score the samples, print the medians, and write the figures and the sheet of samples."""
    from pippin import measure
    from pippin.measure.colours import comparison_lines
    from pippin.pictures import prepare
    from pippin.settings import Settings

    dataset = prepare(args.source, args.image_size)
    training_set, held_out_set = dataset.split(Settings().held_out)
    held_out = held_out_set[:]
    samples = load_samples(work, args.methods, args.seeds)
    rows = score(samples, held_out, args.features)
    real = measure.colours(training_set[:])
    colours = {key: measure.colours(images) for key, images in samples.items()}
    about: dict[str, Any] = {
        "source": name,
        "pictures": len(training_set),
        "held_out": len(held_out),
        "image_size": args.image_size,
        "minutes": args.minutes,
        "machine": harness.machine(),
        "cores": {method: 1 if method in args.one_core else available_cores() for method in args.methods},
        "versions": harness.versions(["tensorflow"]),
        "locked": measure.locked(training_set[:]),
        "colours": {
            "real": asdict(real),
            "generated": [
                {"method": method, "seed": seed, **asdict(found)} for (method, seed), found in colours.items()
            ],
        },
    }
    harness.write_results(f"quality-{name}.json", {**about, "rows": rows})
    print(f"{name} at {args.image_size}×{args.image_size}, {args.minutes:g} minutes, {about['machine']}")
    print(f"medians; {SAMPLES:,} generated images against {len(held_out):,} held-out ones")
    print_table(rows, args.features, about["cores"])
    for method in args.methods:
        print(method, *comparison_lines(colours[method, 0], real), sep="\n  ")
    sheets = {"real": held_out[:64], **{method: samples[method, 0][:64] for method in args.methods}}
    save_sheets(sheets, harness.RESULTS / f"quality-{name}.png")


def load_samples(work: Path, methods: list[str], seeds: int) -> Samples:
    """Return the existing samples of some methods; exit if a method has none for seed 0."""
    samples = {
        (method, seed): np.load(samples_file(work, method, seed))["images"]
        for method in methods
        for seed in range(seeds)
        if samples_file(work, method, seed).exists()
    }
    if missing := [method for method in methods if (method, 0) not in samples]:
        sys.exit(
            f"There are no samples of {', '.join(missing)} with seed 0 in {work}; run this without --report first."
        )
    return samples


def score(samples: Samples, held_out: np.ndarray, networks: list[str]) -> list[dict[str, Any]]:
    """Return one row of scores for each feature network, method and seed."""
    import unrelated_network

    from pippin import measure

    def extract(images: np.ndarray, network: str) -> np.ndarray:
        if network == unrelated_network.NAME:
            return unrelated_network.extract(images)
        return measure.extract(images, network)

    rows = []
    for network in networks:
        references = extract(held_out, network)
        for (method, seed), images in samples.items():
            scores = measure.score(extract(images, network), references, network)
            rows.append({"method": method, "seed": seed, **asdict(scores), "locked": measure.locked(images)})
    return rows


def print_table(rows: list[dict[str, Any]], networks: list[str], cores: dict[str, int]) -> None:
    """Print the median of the seeds for each feature network and method."""
    print("| features | method | cores | seeds | KID | FID | precision | recall | locked |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for network in networks:
        for method, count in cores.items():
            seeds = [row for row in rows if (row["method"], row["network"]) == (method, network)]
            kid, fid, precision, recall, locked = (
                statistics.median(row[key] for row in seeds) for key in ("kid", "fid", "precision", "recall", "locked")
            )
            figures = f"{kid:.4f} | {fid:.1f} | {precision:.2f} | {recall:.2f} | {locked:.3f}"
            print(f"| {network} | {method} | {count} | {len(seeds)} | {figures} |")


def save_sheets(images: dict[str, np.ndarray], path: Path) -> None:
    """Save a picture with one grid of images for each title, side by side."""
    from PIL import Image, ImageDraw, ImageFont

    from pippin.show import grid

    sheets = {title: grid(some) for title, some in images.items()}
    side, top = next(iter(sheets.values())).shape[0], 24
    canvas = Image.new("RGB", (len(sheets) * (side + 16), side + top), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(16)
    for n, (title, sheet) in enumerate(sheets.items()):
        pen.text((n * (side + 16), 2), title, fill="black", font=font)
        canvas.paste(Image.fromarray(sheet), (n * (side + 16), top))
    canvas.save(path)


if __name__ == "__main__":
    main()
