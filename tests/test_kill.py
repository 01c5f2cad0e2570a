"""Killed processes, and resuming with another engine: in separate processes, with the networks of a preset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import killed
import numpy as np
import pytest
import tiny

import pippin
from pippin import engines

pytestmark = pytest.mark.slow
INSTALLED = [name for name, module in engines.ENGINES.items() if engines._installed(module)]
SMALL = ("--image-size", "16", "--preset", "classic")
"""The networks that compile in the least time. Their dropout adds random numbers that must be resumed."""

COMMAND = ("train", "noise.npy", *SMALL, "--batches", "250", "--batch-size", "4", "--run")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with `noise.npy`, as the working directory."""
    monkeypatch.chdir(tmp_path)
    np.save("noise.npy", tiny.pictures())
    return tmp_path


def finish(*words):
    done = subprocess.run([sys.executable, "-m", "pippin", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


KILLED = """
import os, signal, sys
from pippin import cli
from pippin.cli import console
print_line = console.print_line
def print_and_die(text):
    print_line(text)
    if text.startswith(line):
        os.kill(os.getpid(), signal.SIGKILL)
console.print_line = print_and_die
line, sys.argv = sys.argv[1], ["pippin", *sys.argv[2:]]
cli.main()
"""


def kill_at(line, *words):
    """Run a command that kills itself when it has printed a line that begins with `line`."""
    script = [sys.executable, "-c", KILLED, line, *words]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stdout + done.stderr


def whole(path):
    """Check that the files of a run are readable, and return the run."""
    for name in ("settings.json", "pictures.json", "generator.json", "discriminator.json"):
        json.loads((Path(path) / name).read_text(encoding="utf-8"))
    run = pippin.open_run(path)
    assert run.snapshots().keys() >= {0}
    return run


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The finished run of `COMMAND`, trained once; the tests only read it."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        np.save("noise.npy", tiny.pictures())
        finish(*COMMAND, "whole")
    return pippin.open_run(folder / "whole")


def test_a_killed_and_resumed_run_is_the_same_as_an_uninterrupted_one(uninterrupted, place):
    kill_at("batch 50/", *COMMAND, "killed")
    killed = whole("killed")
    assert killed.batches == 50
    assert not killed.finished
    kill_at("batch 150/", *COMMAND, "killed")
    assert [entry["batches"] for entry in whole("killed").log()] == [50, 100, 150]
    begun = whole("killed").batches
    assert begun in (100, 150)  # the snapshot, or a checkpoint of a machine that needs a minute for 50 batches
    assert f"Resuming from batch {begun}: training for 250 batches" in finish(*COMMAND, "killed")
    run = pippin.open_run("killed")
    assert run.finished
    assert tiny.same(tiny.state(run), tiny.state(uninterrupted))
    assert [entry["batches"] for entry in run.log()] == [50, 100, 150, 200, 250]
    assert list(run.snapshots()) == [0, 50, 100, 250]
    assert not list(run.path.rglob("*.part*"))
    np.testing.assert_array_equal(run.sample(4), uninterrupted.sample(4))


def test_runs_killed_at_random_moments_lose_one_interval_at_most_and_end_the_same(tmp_path):
    """PIPPIN_KILLS=200 is the long version. With PyTorch, because a forked TensorFlow or JAX may wait for ever."""
    if "torch" not in INSTALLED:
        pytest.skip("PyTorch is not installed")
    kills = int(os.environ.get("PIPPIN_KILLS", "6"))
    words = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path), str(kills), "0"]
    environ = {**os.environ, "KERAS_BACKEND": "torch"}
    limit = 600 + 30 * kills
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ, timeout=limit)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["kills"] >= kills
    assert figures["different"] == []
    assert figures["most_batches_lost"] <= killed.CHECKUP_BATCHES


def test_a_kill_while_a_checkpoint_is_written_keeps_the_one_before(uninterrupted, place):
    script = f"""
import os, signal, sys
from pippin import cli
from pippin.runs import state_file
verify, saves = state_file._verify_on_disk, []
def killed(path):
    verify(path)
    saves.append(path)
    if len(saves) == 3:  # at 0, 50 and 100 batches
        os.truncate(path, 1000)
        os.kill(os.getpid(), signal.SIGKILL)
state_file._verify_on_disk = killed
sys.argv = ["pippin", *{[*COMMAND, "killed"]}]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stdout + done.stderr
    killed = whole("killed")
    assert killed.batches == 50
    assert [entry["batches"] for entry in killed.log()] == [50, 100]
    assert "Resuming from batch 50: " in finish(*COMMAND, "killed")
    run = pippin.open_run("killed")
    assert tiny.same(tiny.state(run), tiny.state(uninterrupted))
    assert [entry["batches"] for entry in run.log()] == [50, 100, 150, 200, 250]
    assert not list(run.path.glob("*.part*"))


SESSION = """
import os, signal, sys
import numpy as np
import pippin
from pippin.training.trainer import Trainer
stop_at = int(sys.argv[1])
step = Trainer.step
def step_with_signal(self):
    if self.batches + 1 == stop_at:
        os.kill(os.getpid(), signal.SIGINT)
    return step(self)
Trainer.step = step_with_signal
try:
    pippin.train("noise.npy", "run", image_size=16, batches=12, batch_size=4)
except KeyboardInterrupt:
    pass
run = pippin.open_run("run")
print(run.batches, run.finished, run.about["engine"])
np.save(f"{sys.argv[2]}.npy", run.sample(5, seed=2))
"""


def train_session(engine, stop_at, name):
    environment = {**os.environ, "KERAS_BACKEND": engine}
    words = [sys.executable, "-c", SESSION, str(stop_at), name]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_run_resumes_with_each_other_engine(place):
    if len(INSTALLED) == 1:
        pytest.skip("only one engine is installed")
    begun_with, stops = INSTALLED[0], [3 * n + 3 for n in range(len(INSTALLED))]
    for engine, stop in zip([*INSTALLED, begun_with], [*stops, 12], strict=True):
        finished = stop == 12
        expected = [str(stop), str(finished), begun_with]
        assert train_session(engine, -1 if finished else stop, "there") == expected
        difference = pippin.open_run("run").sample(5, seed=2).astype(int) - np.load("there.npy")
        assert np.abs(difference).max() <= 1, engine
    assert [entry["batches"] for entry in pippin.open_run("run").log()] == [*stops, 12]
