"""Peak memory of training, compared with the prediction of `pippin plan`.

    python benchmarks/memory.py SOURCE [--engines tensorflow] [--cases 64:16,128:16,256:8] [--presets standard]

Each case (image size : batch size) trains 12 batches in a process of its own, with a checkup in the middle,
checkpoints, and everything that the end of a training writes. The peak is the largest resident set of the process. The
pictures are prepared before. Prints one row for each case, and writes them to benchmarks/results/memory.json.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import harness

BATCHES = 12


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source")
    parser.add_argument("--engines", default="tensorflow")
    parser.add_argument("--presets", default="standard")
    parser.add_argument("--cases", default="32:16,64:16,64:64,128:16,256:4,256:8")
    parser.add_argument("--worker", nargs=4, metavar="ARGUMENT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        job, preset, image_size, batch_size = args.worker
        print(json.dumps(work(args.source, job, preset, int(image_size), int(batch_size))))
        return
    print("| engine | preset | side | batch | peak, MiB | predicted, MiB | predicted / peak |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for engine in args.engines.split(","):
        for preset in args.presets.split(","):
            for case in args.cases.split(","):
                side, batch = case.split(":")
                plan, train = ([args.source, "--worker", job, preset, side, batch] for job in ("plan", "train"))
                prediction = harness.run_worker(__file__, plan, engine)
                peak = harness.run_worker(__file__, train, engine)["peak"]
                row = {"engine": engine, "preset": preset, "side": side, "batch": batch, "peak": peak, **prediction}
                rows.append(row)
                predicted = row["predicted"]
                figures = f"{peak / 2**20:,.0f} | {predicted / 2**20:,.0f} | {predicted / peak:.2f}"
                print(f"| {engine} | {preset} | {side} | {batch} | {figures} |", flush=True)
    about = {"source": Path(args.source).name, "machine": harness.machine(), "batches": BATCHES}
    harness.write_results("memory.json", {**about, "rows": rows})


def work(source: str, job: str, preset: str, image_size: int, batch_size: int) -> dict[str, Any]:
    """Return the prediction ("plan") or the peak of a training ("train"), in bytes."""
    import pippin
    from pippin.session import memory

    settings: dict[str, Any] = {
        "image_size": image_size,
        "preset": preset,
        "batch_size": batch_size,
        "batches": BATCHES,
    }
    if job == "plan":
        plan = pippin.plan(source, **settings)
        models = dict(zip(("generator", "discriminator", "projector"), plan.networks, strict=True))
        activations = {name: memory.activation_bytes(model) for name, model in models.items() if model}
        weights = 4 * sum(model.count_params() for model in plan.networks[:2])
        return {"predicted": plan.memory, "weights": weights, **activations}
    with tempfile.TemporaryDirectory() as folder:
        pippin.train(source, Path(folder) / "run", checkup=BATCHES // 2 * batch_size, **settings)
    return {"peak": harness.peak_memory()}


if __name__ == "__main__":
    main()
