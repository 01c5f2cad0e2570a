"""How much memory training takes at its peak, beside what `pippin plan` says before it starts.

    python benchmarks/memory.py SOURCE [--engines tensorflow] [--cases 64:16,128:16,256:8] [--presets standard]

Each case (image size : batch size) trains 12 batches in a process of its own, with a checkup in the middle, checkpoints
and everything at the end; its peak is the largest resident set that the system saw. The pictures are prepared before.
Prints one row a case, and writes them to benchmarks/results/memory.json.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "memory.json"
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
                told = run(engine, args.source, "plan", preset, side, batch)
                peak = run(engine, args.source, "train", preset, side, batch)["peak"]
                rows.append({"engine": engine, "preset": preset, "side": side, "batch": batch, "peak": peak, **told})
                shown = f"{peak / 2**20:,.0f} | {told['predicted'] / 2**20:,.0f} | {told['predicted'] / peak:.2f}"
                print(f"| {engine} | {preset} | {side} | {batch} | {shown} |", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    about = {"source": Path(args.source).name, "machine": f"{platform.system()}, {platform.machine()}"}
    RESULTS.write_text(json.dumps({**about, "batches": BATCHES, "rows": rows}, indent=1) + "\n")


def run(engine: str, source: str, job: str, preset: str, side: str, batch: str) -> dict[str, Any]:
    """Do one job in a process of its own."""
    command = [sys.executable, __file__, source, "--worker", job, preset, side, batch]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": engine}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{engine} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def work(source: str, job: str, preset: str, image_size: int, batch_size: int) -> dict[str, Any]:
    """Predict, or train and look at the peak."""
    import pippin
    from pippin.session import memory

    settings: dict[str, Any] = {
        "image_size": image_size,
        "preset": preset,
        "batch_size": batch_size,
        "batches": BATCHES,
    }
    if job == "plan":
        made = pippin.plan(source, **settings)
        players = dict(zip(("generator", "discriminator", "projector"), made.networks, strict=True))
        numbers = {name: memory.activation_bytes(model) for name, model in players.items() if model}
        weights = 4 * sum(model.count_params() for model in made.networks[:2])
        return {"predicted": made.memory, "weights": weights, **numbers}
    with tempfile.TemporaryDirectory() as folder:
        pippin.train(source, Path(folder) / "run", checkup=BATCHES // 2 * batch_size, **settings)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"peak": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


if __name__ == "__main__":
    main()
