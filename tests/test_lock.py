"""The lock of a run: one training at a time, and locks that are stale."""

import json
import os
import re
import subprocess
import sys
import time

import pytest
import tiny

import pippin
from pippin.errors import RunError
from pippin.session import lock
from pippin.session.lock import HOLDER, LOCK, STALE_SECONDS, training_lock

HOLD = """
import sys
from pathlib import Path
from pippin.session.lock import training_lock
with training_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

DIE = """
import os, sys
from pathlib import Path
from pippin.session.lock import training_lock
with training_lock(Path(sys.argv[1])):
    os._exit(1)
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that holds the lock of `run`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], **pipes)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def write_holder(path, age=0.0, **values):
    """Write the description of a holder, last updated `age` seconds ago."""
    path.mkdir(exist_ok=True)
    holder = {
        "pid": 4711,
        "user": "anna",
        "host": "bench",
        "since": "2026-01-02 03:04:05 UTC",
        "boot": "other",
        **values,
    }
    (path / HOLDER).write_text(json.dumps(holder))
    then = time.time() - age
    os.utime(path / HOLDER, (then, then))


def held(path):
    with training_lock(path):
        return True


def test_a_second_process_is_told_who_trains_the_run_and_since_when(tmp_path, other_process):
    with pytest.raises(RunError, match="This run is being trained by process") as caught:
        tiny.train(tmp_path / "run", batches=2)
    holder = json.loads((tmp_path / "run" / HOLDER).read_text())
    assert holder["pid"] == other_process.pid
    assert f"process {other_process.pid} of {holder['user']} on {holder['host']} since {holder['since']};" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_the_lock_of_a_killed_process_is_stale(tmp_path, other_process):
    other_process.kill()
    other_process.wait()
    assert (tmp_path / "run" / HOLDER).exists()
    assert tiny.train(tmp_path / "run", batches=2).finished
    assert not {HOLDER, LOCK} & set(os.listdir(tmp_path / "run"))


def test_the_lock_of_a_process_that_was_killed_after_the_last_checkpoint_is_removed(tmp_path):
    tiny.train(tmp_path / "run", batches=2)
    assert subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "run")], check=False).returncode == 1
    assert {HOLDER, LOCK} <= set(os.listdir(tmp_path / "run"))
    assert tiny.train(tmp_path / "run", batches=2).finished
    assert not {HOLDER, LOCK} & set(os.listdir(tmp_path / "run"))


def test_two_trainings_in_one_process_exclude_each_other(tmp_path):
    with training_lock(tmp_path), pytest.raises(RunError, match=f"by process {os.getpid()} of"):
        held(tmp_path)
    assert held(tmp_path)


def test_a_lock_of_another_computer_is_respected_while_it_is_updated(tmp_path):
    path = tmp_path / "run"
    write_holder(path, age=30)
    with pytest.raises(RunError, match="by process 4711 of anna on bench since 2026-01-02 03:04:05 UTC") as caught:
        held(path)
    (seconds,) = re.findall(r"If that process no longer runs, try again in (\d+) s", str(caught.value))
    assert 0 < int(seconds) <= STALE_SECONDS - 30
    assert f"or delete {path / HOLDER}" in str(caught.value)
    write_holder(path, age=STALE_SECONDS + 1)
    assert held(path)


def test_a_holder_that_is_updated_does_not_become_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with training_lock(tmp_path):
        os.utime(tmp_path / HOLDER, (0, 0))
        deadline = time.monotonic() + 60
        while (tmp_path / HOLDER).stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / HOLDER).stat().st_mtime > 0


@pytest.mark.parametrize("alive", [True, False])
def test_without_locks_of_the_file_system_a_process_of_this_computer_is_looked_for(tmp_path, monkeypatch, alive):
    def unsupported(self, *args, **kwargs):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock.FileLock, "acquire", unsupported)
    monkeypatch.setattr(lock.psutil, "pid_exists", lambda pid: alive and pid == 4711)
    write_holder(tmp_path, boot=lock._boot())
    if alive:
        with pytest.raises(RunError, match="by process 4711 of anna"):
            held(tmp_path)
    else:
        assert held(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "\udcff"])
def test_a_damaged_description_of_the_holder_is_ignored(tmp_path, text):
    (tmp_path / HOLDER).write_bytes(text.encode(errors="surrogateescape"))
    assert held(tmp_path)


def test_a_run_can_be_used_while_it_is_trained(tmp_path):
    tiny.train_until(3, tmp_path / "run", batches=9)
    with training_lock(tmp_path / "run"):
        run = pippin.open_run(tmp_path / "run")
        assert run.batches == 3
        assert run.sample(2).shape == (2, 16, 16, 3)
        run.folder.write_text("note.txt", "")


def test_a_finished_run_is_opened_while_it_is_locked(tmp_path):
    tiny.train(tmp_path / "run", batches=2)
    with training_lock(tmp_path / "run"):
        assert tiny.train(tmp_path / "run", batches=2).finished
        assert {HOLDER, LOCK} <= set(os.listdir(tmp_path / "run"))


def test_a_folder_that_was_made_for_the_lock_alone_is_removed(tmp_path):
    with pytest.raises(ZeroDivisionError), training_lock(tmp_path / "run"):
        1 / 0  # noqa: B018
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the user may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o500)
    with pytest.raises(RunError, match="The run cannot be written: Permission denied"):
        held(tmp_path / "run")
