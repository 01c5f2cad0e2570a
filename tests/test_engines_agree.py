"""Two training steps from the same weights give the same losses and gradients on every engine."""

import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from across_engines import INSTALLED

TESTS = Path(__file__).parent
SCRIPT = """
import copy, sys
import numpy as np
from across_engines import by_part, small_discriminator, numpy_state, small_generator, step_batch
from pippin import engines
from pippin.networks import Networks
from pippin.training.step import build_step

engine, pair, results = engines.current(), (small_generator(), small_discriminator()), {}
for rule in ("relativistic", "alternating"):
    step, state = build_step(engine, Networks(*pair), rule), numpy_state(*pair)
    for n in range(2):
        batch = step_batch(n, reconstruction=0.5, gamma=2.0)
        state, measures = engine.to_host(step(*engine.to_device((copy.deepcopy(state), batch))))
        results.update({f"{rule}/{n}/{name}": value for name, value in {**measures, **by_part(state)}.items()})
np.savez(sys.stdout.buffer, **results)
"""


@pytest.fixture(scope="module")
def results():
    """Engine → name → array. With β₁ = 0, Adam's first moment is the gradient."""
    workers = {}
    for engine in INSTALLED:
        environ = {
            **os.environ,
            "KERAS_BACKEND": engine,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
        }
        environ["TF_NUM_INTEROP_THREADS"] = "1"  # sums in a fixed order
        command = [sys.executable, "-c", SCRIPT]
        workers[engine] = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = {}
    for engine, worker in workers.items():
        output, errors = worker.communicate()
        assert worker.returncode == 0, errors.decode()
        found[engine] = dict(np.load(io.BytesIO(output)))
    return found


@pytest.mark.parametrize("rule", ["relativistic", "alternating"])
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(["tensorflow", "jax", "torch"], 2)))
def test_losses_and_gradients_of_two_steps_agree(results, one, other, rule):
    if one not in results or other not in results:
        pytest.skip(f"{one} or {other} is not installed")
    names = {name for name in results[one] if name.startswith(rule)}
    assert names == {name for name in results[other] if name.startswith(rule)}
    compared = {"d_loss", "g_loss", "generator/first_moment", "discriminator/first_moment", "ema_generator/weights"}
    for step, name in itertools.product((0, 1), compared):
        a, b = (np.float64(results[engine][f"{rule}/{step}/{name}"]) for engine in (one, other))
        assert np.linalg.norm(b) > 1e-3, name
        assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(b), f"{name} of step {step}"
    if rule == "relativistic":
        for name in ("r1_penalty", "r2_penalty", "reconstruction"):
            assert results[one][f"{rule}/0/{name}"] == pytest.approx(results[other][f"{rule}/0/{name}"], rel=1e-4)
            assert results[one][f"{rule}/0/{name}"] > 1e-3
