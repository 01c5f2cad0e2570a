"""JAX: several steps in a call equal single steps, and several devices equal one.

Sums over a batch are taken in another order where XLA fuses operations otherwise, or where each device sums its part:
relative differences of 1e-6 in the measures. Adam divides a gradient by its size, so one that is only rounding moves a
weight by up to the learning rate; weights are compared by their median difference.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]
TOLERANCE = 2e-5
"""Relative tolerance of the measures of the first steps."""


def work(folder, devices, *names):
    """Run the worker on a number of devices that the processor pretends to have."""
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    root = Path(__file__).parents[1]
    environ = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root), "XLA_FLAGS": flags}
    words = [sys.executable, str(root / "tests" / "jax_steps.py"), str(folder), *names]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return name → (state, facts)."""
    folder = tmp_path_factory.mktemp("steps")
    work(folder, 1, "single", "blocks", "resident")
    work(folder, 8, "devices")
    found = {}
    for path in folder.glob("*.npz"):
        with np.load(path) as arrays:
            found[path.stem] = dict(arrays), json.loads(path.with_suffix(".json").read_text())
    return found


def assert_same(one, other):
    """Check that two states and their measures are equal to the bit."""
    assert one[1]["measures"] == other[1]["measures"]
    assert one[0].keys() == other[0].keys()
    for name, array in one[0].items():
        np.testing.assert_array_equal(array, other[0][name], err_msg=name)


def assert_close(one, other):
    """Check that two states and their measures are equal up to the order of sums."""
    for mine, theirs in zip(one[1]["measures"], other[1]["measures"], strict=True):
        assert mine == pytest.approx(theirs, rel=TOLERANCE)
    for name, array in one[0].items():
        difference = np.abs(np.float64(array) - other[0][name])
        assert np.median(difference) <= TOLERANCE * max(1.0, float(np.abs(array).max())), name


def test_steps_in_one_call_equal_the_same_steps_one_by_one_to_the_bit(results):
    assert_same(results["blocks"], results["ones"])


def test_resident_images_change_no_bit(results):
    assert_same(results["blocks"], results["resident"])
    assert results["resident"][1]["read"] == [1, 12], "one image for its size, then the whole training set once"


def test_a_block_of_packed_steps_is_the_single_step(results):
    assert_close(results["blocks"], results["single"])


def test_packing_leaves_less_than_a_quarter_of_the_arrays(results):
    assert results["blocks"][1]["arrays"] <= results["single"][1]["arrays"] / 4


def test_eight_devices_equal_one(results):
    assert results["devices"][1]["devices"] == 8
    assert_close(results["devices"], results["blocks"])


def test_each_device_reads_its_own_rows_only(results):
    """8 devices and batches of 8: one image at a time."""
    assert set(results["devices"][1]["read"]) == {1}
