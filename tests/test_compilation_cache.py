"""Compiled programs of JAX on disk."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
SCRIPT = Path(__file__).with_name("compile_cached.py")


def start(folder):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}  # as a user starts it
    environ["PYTHONPATH"] = str(SCRIPT.parents[1])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=environ, **pipes)


def finish(process):
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    result, hits = out.split()
    return float(result), int(hits)


@pytest.mark.slow
def test_two_processes_share_compiled_programs_and_a_third_one_uses_them(tmp_path):
    folder = tmp_path / "compiled"
    first, second = [finish(process) for process in [start(folder), start(folder)]]
    third = finish(start(folder))
    assert first[0] == second[0] == third[0]
    assert third[1] > 0
    assert list(folder.glob("*-cache"))
