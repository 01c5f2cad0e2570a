"""What the benchmarks share: workers in processes of their own, and the file that keeps their results."""

import json
import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

PACKAGES = {"tensorflow": "tensorflow-cpu", "jax": "jax", "torch": "torch", "onnxruntime": "onnxruntime"}
"""Engine or runtime → the distribution whose version is recorded."""


def run_worker(script: str, arguments: list[str], engine: str | None = None) -> dict[str, Any]:
    """Run a script in a process of its own, and return the JSON object in the last line of its output.

    Args:
        script: `__file__` of the benchmark.
        arguments: its command-line arguments.
        engine: what Keras computes with; None keeps the environment's choice.
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if engine:
        environment["KERAS_BACKEND"] = engine
    done = subprocess.run([sys.executable, script, *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ({engine or 'any engine'}) failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory() -> int:
    """Return the peak resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> str:
    """Return the machine in a few words, without its name: "Linux, x86_64, 2 cores"."""
    return f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores"


def versions(names: list[str]) -> dict[str, str]:
    """Return the versions of Keras and of engines or runtimes."""
    return {"keras": version("keras"), **{name: version(PACKAGES[name]) for name in names}}


def write_results(file: str, contents: dict[str, Any]) -> None:
    """Write a file in `benchmarks/results/`."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / file).write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
