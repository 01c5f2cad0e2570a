"""`benchmarks/gpu.py` on a processor, with tiny sizes and without what a bare machine lacks."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pippin.networks.efficientnet import read_weights

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

BARE = """
import importlib.machinery, sys

HIDDEN = {"PIL", "typer", "platformdirs", "safetensors", "psutil", "loky", "tensorflow"}

class Hiding:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in HIDDEN:
            return importlib.machinery.PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Hiding
sys.path.insert(0, sys.argv.pop(1))
import gpu
gpu.main()
"""
"""Runs a worker of the benchmark where only JAX, PyTorch, Keras, NumPy and what they need can be imported."""


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("gpu", BENCHMARKS / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_random_weights_have_the_shapes_of_the_real_ones(gpu):
    real = {name: array.shape for name, array in read_weights().items()}
    assert {name: array.shape for name, array in gpu.random_weights().items()}.items() <= real.items()


def test_the_table_has_a_row_for_each_engine_and_size(gpu, capsys):
    row = {"batch": 64, "images_per_second": 1234.5, "step_milliseconds": 51.84, "share": 0.0123, "first_seconds": 9.0}
    gpu.print_table(
        [
            {**row, "engine": "jax", "size": 64, "cached_seconds": None},
            {"engine": "torch", "size": 64, "error": "no GPU"},
        ]
    )
    header, rule, first, second = capsys.readouterr().out.splitlines()
    assert header.count("|") == rule.count("|") == first.count("|") == second.count("|")
    assert first == "| 64 | jax | 64 | 1,234 | 51.8 | — | — | 1.2% | 9.0 | — |"
    assert "no GPU" in second


@pytest.mark.slow
def test_a_worker_measures_without_pillow_and_the_other_packages(gpu):
    pytest.importorskip("torch")
    arguments = "--worker --engines torch --sizes 16 --device cpu --seconds 1 --features none --matrix 64 --batches 2"
    environment = {**os.environ, **gpu.environment("cpu", "torch", "")}
    done = subprocess.run(
        [sys.executable, "-c", BARE, BENCHMARKS, *arguments.split()], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout.splitlines()[-1])
    assert row["batch"] == 2
    assert row["images_per_second"] > 0
    assert row["first_seconds"] > 0
    assert row["share"] > 0


TRACE = """
planes {
  name: "/device:GPU:0"
  event_metadata { key: 1 value { id: 1 name: "fusion_3" } }
  event_metadata { key: 2 value { id: 2 name: "MemcpyH2D" } }
  lines {
    name: "Stream #13(Compute,MemcpyH2D)"
    events { metadata_id: 1 offset_ps: 0 duration_ps: 4000000 }
    events { metadata_id: 2 offset_ps: 5000000 duration_ps: 9000000 }
    events { metadata_id: 1 offset_ps: 20000000 duration_ps: 6000000 }
  }
  lines { name: "XLA Ops" events { metadata_id: 1 offset_ps: 0 duration_ps: 4000000 } }
}
planes { name: "/host:CPU" lines { name: "Stream" events { metadata_id: 1 duration_ps: 1000000 } } }
"""
"""A trace of JAX's profiler in protobuf's text format: two kernels of 4 and 6 microseconds, and a copy."""


def test_kernels_are_those_on_the_streams_of_a_gpu(gpu):
    profiler = pytest.importorskip("jax").profiler
    assert gpu.kernel_durations(profiler.ProfileData.from_text_proto(TRACE)) == [4000, 6000]
