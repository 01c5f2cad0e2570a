"""Training in several processes on JAX, over the loopback interface."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

import pippin

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]
ROOT = Path(__file__).parents[1]
COMMAND = ("train", "noise.npy", "--image-size", "16", "--batch-size", "8", "--set", "features=none", "--batches")


def start(folder, *words, kill_at=0):
    """Start one process of a training."""
    environ = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT), "PIPPIN_CACHE": str(folder / "cache")}
    environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    script = [sys.executable, str(ROOT / "tests" / "cluster_member.py"), str(kill_at)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*script, *COMMAND, *words], cwd=folder, env=environ, **pipes)


def train(folder, processes, batches, kill_at=0):
    """Train the run in several processes; the last one kills itself. Return their exit codes and what they printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [str(batches), "--run", "run", "--coordinator", address, "--processes", str(processes), "--process"]
    members = [start(folder, *words, str(n), kill_at=kill_at if n == processes - 1 else 0) for n in range(processes)]
    printed = [member.communicate(timeout=500)[0] for member in members]
    return [member.returncode for member in members], printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `noise.npy`."""
    folder = tmp_path_factory.mktemp("cluster")
    np.save(folder / "noise.npy", tiny.pictures())
    return folder


@pytest.fixture(scope="module")
def killed(folder):
    """The exit codes and outputs of two processes, one of which was killed before batch 71."""
    return train(folder, 2, 80, kill_at=70)


def test_a_lost_process_ends_the_others_and_the_run_is_safe(folder, killed):
    codes, printed = killed
    assert codes[1] == -9
    assert codes[0] == 2, printed[0]
    assert "This is process 0 of 2" in printed[0]
    assert "Another process of this training was lost" in printed[0]
    assert "The checkpoint of batch 50 is kept" in printed[0]
    assert "Traceback" not in printed[0]
    run = pippin.open_run(folder / "run")
    assert (run.batches, run.finished) == (50, False)


def test_two_processes_train_as_one(folder, killed):
    process = start(folder, "80", "--run", "alone")
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    alone, shared = (pippin.open_run(folder / name).log()[0] for name in ("alone", "run"))
    assert shared["batches"] == alone["batches"] == 50
    for measure in ("d_loss", "g_loss", "r1_penalty", "reconstruction"):
        assert shared[measure] == pytest.approx(alone[measure], rel=1e-2)  # rounding grows in 50 steps


def test_four_processes_resume_what_two_began(folder, killed):
    codes, printed = train(folder, 4, 80)
    assert codes == [0, 0, 0, 0], printed
    assert "Resuming from batch 50" in printed[0]
    run = pippin.open_run(folder / "run")
    assert (run.batches, run.finished) == (80, True)
    assert [entry["batches"] for entry in run.log()] == [50, 80]
    assert not list(run.path.rglob("*.part*"))
