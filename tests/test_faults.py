"""A fault in every write of a training, one after the other: no run is damaged, and each ends as if undisturbed."""

import contextlib
import os

import numpy as np
import pytest
import tiny
from faults import ENDS, KINDS, Crash, Faults

import pippin
from pippin import measure
from pippin.errors import PippinError, RunError
from pippin.host import files
from pippin.runs import state_file
from pippin.runs.checkpoint import PREVIOUS, StateFiles
from pippin.runs.documents import HOLDER, LOCK
from pippin.runs.folder import Folder
from pippin.session import storage
from pippin.training import trainer

STRIDE = int(os.environ.get("PIPPIN_FAULT_STRIDE", "75"))
"""Distance between two faults in calls. 1 tests every call of every kind, which takes most of an hour."""

IMAGES = tiny.pictures(40)

leaves_files_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""For tests of crashes, after which nothing closes the files."""


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Ticks every 3 batches, checkups with cheap features, and little time between two attempts to write."""
    monkeypatch.setattr(trainer, "TICK", 3)
    monkeypatch.setattr(measure, "extract", lambda images, network: images.reshape(len(images), -1)[:, ::24] / 255.0)
    monkeypatch.setattr(storage, "RETRY_SECONDS", 0.001)


def train(path):
    return tiny.train(path, source=IMAGES, batches=9, checkup=12, anchored=0.5)


@pytest.fixture
def undisturbed(tmp_path):
    """A run without faults, and the calls that wrote it."""
    with Faults(tmp_path / "undisturbed") as faults:
        run = train(tmp_path / "undisturbed")
    return run, faults.calls


def check_same(run, undisturbed):
    """Check that a finished run is the same as one without faults."""
    assert run.finished
    for name in ("checkpoint", "best"):
        assert tiny.same(tiny.state(run, name), tiny.state(undisturbed, name))
    assert [entry["batches"] for entry in run.log()] == [entry["batches"] for entry in undisturbed.log()]
    assert run.checkups() == undisturbed.checkups()
    assert list(run.snapshots()) == list(undisturbed.snapshots())
    for name in ("timeline.png", "latest.png"):
        assert (run.path / name).read_bytes() == (undisturbed.path / name).read_bytes()
    np.testing.assert_array_equal(run.sample(2), undisturbed.sample(2))
    expected = {str(path.relative_to(undisturbed.path)) for path in undisturbed.path.rglob("*")}
    found = {str(path.relative_to(run.path)) for path in run.path.rglob("*")}
    assert [name for name in (found ^ expected) - {LOCK, HOLDER} if "tfevents" not in name] == []


@leaves_files_open
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_in_any_write_damages_a_run(tmp_path, undisturbed, kind):
    run, calls = undisturbed
    waited = 0
    for at in range(KINDS.index(kind) * STRIDE // len(KINDS), len(calls), STRIDE):
        path = tmp_path / f"{at}"
        with Faults(path, at, kind) as faults:
            try:
                train(path)
                waited += 1
            except (RunError, Crash):
                pass
        assert len(faults.calls) > at, f"call {at} was not reached"
        if (path / "settings.json").exists():
            pippin.open_run(path)
        check_same(train(path), run)
    assert waited == 0 if kind in ENDS else waited > 0


@pytest.mark.slow
def test_a_disk_that_stays_full_damages_no_run(tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(storage, "WAIT_SECONDS", 0.01)
    run, calls = undisturbed
    for at in range(STRIDE // 2, len(calls), 2 * STRIDE):
        path = tmp_path / f"{at}"
        with Faults(path, at, lasting=True), pytest.raises(RunError, match=r"cannot be written.+No space left"):
            train(path)
        check_same(train(path), run)


# -- single files, every call ------------------------------------------------------------------------------------------


def writes(path):
    """Yield the writers of a run's files, each a function of the generation of the contents, 0 or 1."""
    from pippin.training.health import Health

    path.mkdir(exist_ok=True)
    folder = Folder.__new__(Folder)
    StateFiles.__init__(folder, path)
    state = {"steps": np.asarray(0, "int32"), "weights": [np.zeros(5, np.float32)]}
    yield lambda n: files.write_text(path / "report.html", f"page {n}" * 100)
    yield lambda n: folder.save_checkpoint({**state, "steps": np.asarray(n, "int32")}, 1.0 * n, Health())
    yield lambda n: folder.save_best({**state, "steps": np.asarray(n, "int32")}, 1.0 * n, "efficientnet-lite1")
    yield lambda n: folder.save_images(50 * n, np.full((64, 16, 16, 3), n, np.uint8), is_snapshot=True)
    yield lambda n: folder.append_log({"batches": n})


def contents(path):
    """Return the contents of a folder by file name, without temporary files. Those of a state are its metadata and
    arrays, after a check of all checksums, because safetensors orders its header differently each time."""
    files_in = [file for file in path.rglob("*") if file.is_file() and not files.is_leftover(file)]
    return {
        str(file.relative_to(path)): _state(file) if file.suffix == ".safetensors" else file.read_bytes()
        for file in files_in
    }


def _state(file):
    metadata = sorted(state_file.read_metadata(file).items())
    return repr(metadata), *(array.tobytes() for array in state_file.read_arrays(file).values())


@leaves_files_open
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_a_file_is_whole_after_a_fault_in_any_call(tmp_path, kind, number):
    """It is all old or all new; the last checkpoint may be missing, if the one before is there."""
    write = list(writes(tmp_path / "run"))[number]
    write(0)
    old = contents(tmp_path / "run")
    with Faults(tmp_path / "run") as faults:
        write(1)
    new = contents(tmp_path / "run")
    assert len(faults.calls) >= 4
    assert not faults.unflushed
    assert not faults.unflushed_folders
    for at in range(len(faults.calls)):
        path = tmp_path / f"{at}"
        again = list(writes(path))[number]
        again(0)
        with Faults(path, at, kind), contextlib.suppress(OSError, RunError, PippinError, Crash):
            again(1)
        found = contents(path)
        assert set(found.values()) <= {*old.values(), *new.values()}
        assert old.keys() <= found.keys() or PREVIOUS in found
        again(1)  # a retry in the same process, which leaves at most a temporary file
        files.remove_leftovers(path)
        found = contents(path)
        assert found.pop(PREVIOUS, None) in {None, *old.values(), *new.values()}
        assert found == {name: value for name, value in new.items() if name != PREVIOUS}
        assert not list(path.rglob(".*"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_the_log_is_whole_or_absent_after_a_fault_in_any_call(tmp_path, kind):
    for at in range(4):
        path = tmp_path / f"{at}"
        *_, append = writes(path)
        append(0)
        with Faults(path, at, kind) as faults:
            try:
                append(1)
            except (OSError, RunError, Crash):
                assert len(faults.calls) > at
        lines = files.read_lines(path / "log.jsonl")
        assert [line["batches"] for line in lines] in ([0], [0, 1])
        with Faults(path) as faults:
            append(2)
        assert not faults.unflushed
        after = files.read_lines(path / "log.jsonl")
        assert after[:-1] == lines
        assert after[-1]["batches"] == 2
