"""How good pictures get in the same wall-clock time, beside what people run instead.

    python benchmarks/quality.py SOURCE [--name NAME] [--minutes 10] [--seeds 3]
        [--methods classic,dcgan,low-data,standard] [--one-core standard]

Every method learns from the same pictures, on TensorFlow, each in a process of its own and in turns: seed by seed, all
methods. Those of `--one-core` get a single core and are trained side by side, after the others: a harder test for them,
in less time. Each then paints 2,048 pictures, which are scored against those that were held out of all of them. Prints
one row a method with the median of the seeds, writes all of them to benchmarks/results/quality-NAME.json, and 64
uncurated samples of each, side by side, to benchmarks/results/quality-NAME.png. What was trained already is not trained
again.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pippin.host.cores import available_cores

METHODS = ("classic", "dcgan", "low-data", "standard")
HERE = Path(__file__).parent
PICTURES = 2048


def main() -> None:
    """Train in turns, score, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--name", help="what the results are called; else as the source")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument(
        "--features", default="efficientnet-lite1,efficientnet-lite0", help="whose are compared, with commas between"
    )
    parser.add_argument(
        "--one-core", type=lambda text: text.split(","), default=[], help="which get one core only, with commas between"
    )
    parser.add_argument("--report", action="store_true", help="train nothing, and report what is there")
    parser.add_argument("--work", type=Path, default=Path("runs/quality"), help="where runs and samples are kept")
    parser.add_argument("--worker", nargs=2, metavar=("METHOD", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    name = args.name or Path(args.source).name
    work = args.work / f"{name}-{args.image_size}-{args.minutes:g}min"
    if args.worker:
        method, seed = args.worker
        paint(method, int(seed), args, work)
        return
    methods = args.methods.split(",")
    jobs = [(method, seed) for seed in range(args.seeds) for method in methods]
    jobs = [job for job in jobs if not args.report and not samples_file(work, *job).exists()]
    for job in jobs:
        if job[0] not in args.one_core:
            train([job])
    bound = [job for job in jobs if job[0] in args.one_core]
    cores = available_cores()
    for start in range(0, len(bound), cores):
        train(bound[start : start + cores], one_core=True)
    report(args, work, methods, name)


def train(jobs: list[tuple[str, int]], one_core: bool = False) -> None:
    """Train methods, each with a seed and in a process of its own, side by side; on one core each on Linux only."""
    cores = sorted(os.sched_getaffinity(0)) if one_core else []
    workers = []
    for n, (method, seed) in enumerate(jobs):
        worker = [sys.executable, __file__, *sys.argv[1:], "--worker", method, str(seed)]
        bind = partial(os.sched_setaffinity, 0, {cores[n]}) if one_core else None
        workers.append(subprocess.Popen(worker, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, preexec_fn=bind))
    failed = [
        f"{method} with seed {seed}" for (method, seed), worker in zip(jobs, workers, strict=True) if worker.wait()
    ]
    if failed:
        sys.exit(f"Training {', '.join(failed)} failed, as said above; what others painted is kept.")


def samples_file(work: Path, method: str, seed: int) -> Path:
    return work / f"{method}-seed{seed}.npz"


def paint(method: str, seed: int, args: argparse.Namespace, work: Path) -> None:
    """Train one method with one seed, and keep what it paints."""
    import baselines

    import pippin
    from pippin.pictures import prepare
    from pippin.settings import Settings

    common = {"image_size": args.image_size, "minutes": args.minutes, "seed": seed}
    folder = work / f"{method}-seed{seed}"
    if method == "low-data":
        dataset = prepare(args.source, args.image_size)
        learnt, _ = dataset.split(Settings().held_out)
        generator = baselines.train_low_data(learnt[:], args.minutes, seed)
        latents = np.random.default_rng(seed).standard_normal((PICTURES, 64)).astype("float32")
        images = np.rint(generator.predict(latents, batch_size=64, verbose=0) * 255).astype("uint8")
    else:
        more: dict[str, Any] = {"preset": method}
        if method == "dcgan":
            generator, discriminator = baselines.dcgan(args.image_size)
            more = {"generator": generator, "discriminator": discriminator, **baselines.DCGAN_SETTINGS}
        elif method == "classic":
            more["checkup"] = 0
        images = pippin.train(args.source, folder, **common, **more).sample(PICTURES, seed * PICTURES)
    work.mkdir(parents=True, exist_ok=True)
    part = work / f"{method}-seed{seed}.part.npz"
    np.savez_compressed(part, images=images)
    part.rename(samples_file(work, method, seed))


def report(args: argparse.Namespace, work: Path, methods: list[str], name: str) -> None:
    """Score what was painted, print the medians, and write the figures and the pictures."""
    from PIL import Image, ImageDraw, ImageFont

    from pippin import measure
    from pippin.measure.colours import comparison
    from pippin.pictures import prepare
    from pippin.settings import Settings
    from pippin.show import grid

    dataset = prepare(args.source, args.image_size)
    held_out = dataset.split(Settings().held_out)[1][:]
    painted = {
        (method, seed): np.load(samples_file(work, method, seed))["images"]
        for method in methods
        for seed in range(args.seeds)
        if samples_file(work, method, seed).exists()
    }
    missing = [method for method in methods if (method, 0) not in painted]
    if missing:
        sys.exit(f"Nothing of {', '.join(missing)} with seed 0 is in {work}; run this without --report first.")
    rows = []
    for network in args.features.split(","):
        references = measure.extract(held_out, network)
        for (method, seed), images in painted.items():
            scores = measure.score(measure.extract(images, network), references, network)
            rows.append({"method": method, "seed": seed, **asdict(scores)})
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    about: dict[str, Any] = {
        "source": name,
        "pictures": len(dataset) - len(held_out),
        "held_out": len(held_out),
        "image_size": args.image_size,
        "minutes": args.minutes,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "cores": {method: 1 if method in args.one_core else available_cores() for method in methods},
        "versions": {package: version(package) for package in ("keras", "tensorflow-cpu")},
    }
    learnt = measure.colours(dataset.split(Settings().held_out)[0][:])
    tints = {(method, seed): measure.colours(images) for (method, seed), images in painted.items()}
    about["colours"] = {
        "real": asdict(learnt),
        "painted": [{"method": method, "seed": seed, **asdict(found)} for (method, seed), found in tints.items()],
    }
    (results / f"quality-{name}.json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")

    print(f"{name} at {args.image_size}×{args.image_size}, {args.minutes:g} minutes, {about['machine']}")
    print(f"medians; {PICTURES:,} pictures against {len(held_out):,} held-out ones")
    print("| features | method | cores | seeds | KID | FID | precision | recall |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for network in args.features.split(","):
        for method in methods:
            mine = [row for row in rows if (row["method"], row["network"]) == (method, network)]
            kid, fid, precision, recall = (
                statistics.median(row[score] for row in mine) for score in ("kid", "fid", "precision", "recall")
            )
            figures = f"{kid:.4f} | {fid:.1f} | {precision:.2f} | {recall:.2f}"
            print(f"| {network} | {method} | {about['cores'][method]} | {len(mine)} | {figures} |")

    for method in methods:
        print(method, *comparison(tints[method, 0], learnt), sep="\n  ")

    sheets = {method: grid(painted[method, 0][:64]) for method in methods}
    shown = {"real": grid(held_out[:64]), **sheets}
    side, top = next(iter(sheets.values())).shape[0], 24
    canvas = Image.new("RGB", (len(shown) * (side + 16), side + top), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(16)
    for n, (title, sheet) in enumerate(shown.items()):
        pen.text((n * (side + 16), 2), title, fill="black", font=font)
        canvas.paste(Image.fromarray(sheet), (n * (side + 16), top))
    canvas.save(results / f"quality-{name}.png")


if __name__ == "__main__":
    main()
