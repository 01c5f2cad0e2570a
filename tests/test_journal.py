"""Preparation is resumed after a kill, reads only what changed, and survives a decoder that crashes."""

import os
import subprocess
import sys
import time

import numpy as np
import odd_files
import pytest
import tiny
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures import prepare
from pippin.pictures.preparing.workers import map_in_order
from pippin.pictures.sources import files

COUNT = 40


@pytest.fixture
def folder(tmp_path):
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(COUNT))
    (folder / "010.png").write_bytes(b"x")
    (folder / "020.png").write_bytes((folder / "000.png").read_bytes())
    return folder


def content(cache):
    """Return name → bytes of the files in a cache."""
    return {path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}


class Killed(BaseException):
    pass


def prepare_until(count, folder, cache):
    def progress(done, total):
        if done == count:
            raise Killed

    with pytest.raises(Killed):
        prepare(folder, 16, cache=cache, progress=progress)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such limit")
def test_a_limit_on_the_size_of_files_is_named_and_the_preparation_is_resumed_without_it(folder, tmp_path):
    import resource

    prepare(folder, 16, cache=tmp_path / "whole")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(SourceError, match=r"cannot be written \(File too large\); raise the limit .+ Received: /"):
            prepare(folder, 16, cache=tmp_path / "limited")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    prepare(folder, 16, cache=tmp_path / "limited")
    assert content(tmp_path / "limited") == content(tmp_path / "whole")


@pytest.mark.parametrize("torn", ["nothing", "entry", "squares", "zeros", "all squares"])
def test_a_resumed_preparation_gives_the_same_bytes(folder, tmp_path, torn):
    prepare(folder, 16, cache=tmp_path / "whole")
    cache = tmp_path / "killed"
    prepare_until(25, folder, cache)
    (journal,), (pictures,) = cache.rglob("journal.jsonl"), cache.rglob("pictures.npy")
    if torn == "entry":
        journal.write_bytes(journal.read_bytes()[:-9])
    elif torn == "squares":
        pictures.write_bytes(pictures.read_bytes()[:-500])
    elif torn == "zeros":
        pictures.write_bytes(pictures.read_bytes()[:-500] + bytes(500))
    elif torn == "all squares":
        pictures.write_bytes(b"")
    steps = []
    prepare(folder, 16, cache=cache, progress=lambda done, total: steps.append(done))
    assert content(cache) == content(tmp_path / "whole")
    assert steps[0] == {"nothing": 26, "all squares": 1}.get(torn, 25)


def test_only_changed_files_are_read_again(folder, tmp_path, monkeypatch):
    prepare(folder, 16)
    Image.fromarray(tiny.pictures(1, seed=5)[0]).save(folder / "005.png")
    (folder / "007.png").unlink()
    Image.fromarray(tiny.pictures(1, seed=6)[0]).save(folder / "new.png")
    read, names = files.read_picture, []

    def recorded(path, *options):
        names.append(path.name)
        return read(path, *options)

    monkeypatch.setattr(files, "read_picture", recorded)
    again = prepare(folder, 16)
    assert sorted(names) == ["005.png", "020.png", "new.png"]  # the copy again: its original may have changed
    monkeypatch.undo()
    fresh = prepare(folder, 16, cache=tmp_path / "fresh")
    assert (again.manifest, list(again.files)) == (fresh.manifest, list(fresh.files))
    np.testing.assert_array_equal(again.images, fresh.images)


def test_a_copy_replaces_an_original_that_is_deleted(folder):
    assert next(entry for entry in prepare(folder, 16).audit.entries if entry.path == "020.png").copy == "exact"
    (folder / "000.png").unlink()
    assert next(entry for entry in prepare(folder, 16).audit.entries if entry.path == "020.png").verdict == "kept"


def test_a_file_that_changes_while_it_is_read_is_refused(folder, monkeypatch):
    read = files.read_picture

    def changed(path, *options):
        found = read(path, *options)
        if path.name == "003.png":
            os.utime(path, (1, 1))
        return found

    monkeypatch.setattr(files, "read_picture", changed)
    monkeypatch.setattr(
        "pippin.pictures.preparing.workers.PROCESSES_FROM", 10**9
    )  # the patch would have no effect in other processes
    entry = prepare(folder, 16).audit.entries[3]
    assert entry.reasons == ("changed while the folder was read: prepare again when it is complete",)


# --- processes ---


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("pippin.pictures.preparing.workers.PROCESSES_FROM", 1)
    monkeypatch.setattr("pippin.pictures.preparing.workers.available_cores", lambda: 2)


def test_a_process_that_dies_costs_only_its_item(two_cores, monkeypatch):
    monkeypatch.setattr("pippin.pictures.preparing.workers.CHUNK", 4)
    results = list(map_in_order(odd_files.double_or_die, range(100), True, crashed=lambda number: (None, number)))
    assert [value for value, _ in results] == [2 * n if n != 77 else None for n in range(100)]
    assert os.getpid() not in {process for _, process in results}


@pytest.mark.slow
def test_an_item_that_takes_too_long_costs_only_itself(two_cores, monkeypatch):
    monkeypatch.setattr("pippin.pictures.preparing.workers.CHUNK", 4)
    monkeypatch.setattr("pippin.pictures.preparing.workers.TIME_LIMIT", 3.0)
    results = list(
        map_in_order(odd_files.double_or_hang, range(20), True, crashed=lambda n: "broken", timed_out=lambda n: "late")
    )
    assert results == [2 * n if n != 7 else "late" for n in range(20)]


def test_a_decoder_that_crashes_costs_only_its_file(folder, two_cores, monkeypatch):
    monkeypatch.setattr(sys.modules["pippin.pictures.preparing.prepare"], "open_source", odd_files.open_crashing)
    entries = prepare(folder, 16).audit.entries
    assert {entry.path: entry.reasons for entry in entries if entry.verdict == "refused"} == {
        "007.png": ("the decoder crashes on it",),
        "010.png": ("not a picture",),
        "020.png": ("the same picture (as 000.png)",),
    }


def test_processes_and_threads_give_the_same_bytes(folder, tmp_path, two_cores, monkeypatch):
    prepare(folder, 16, cache=tmp_path / "processes")
    monkeypatch.setattr("pippin.pictures.preparing.workers.PROCESSES_FROM", 10**9)
    prepare(folder, 16, cache=tmp_path / "threads")
    assert content(tmp_path / "processes") == content(tmp_path / "threads")


SCRIPT = """
import sys
import pippin.pictures.preparing.workers as workers
workers.PROCESSES_FROM = 1
workers.available_cores = lambda: 2
print("started", flush=True)
from pippin.pictures import prepare
print(prepare(sys.argv[1], 64, cache=sys.argv[2]).fingerprint)
"""


def test_a_script_needs_no_main_guard(folder, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, str(tmp_path / "script.py"), str(folder), str(tmp_path / "cache")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["started", prepare(folder, 64).fingerprint]


@pytest.mark.slow
def test_a_preparation_killed_at_ten_random_times_gives_the_same_bytes(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(600):
        noise = np.random.default_rng(n).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).resize((400, 400)).save(folder / f"{n}.jpg")
    (tmp_path / "script.py").write_text(SCRIPT)
    words = [sys.executable, str(tmp_path / "script.py"), str(folder), str(tmp_path / "killed")]
    times = np.random.default_rng(0).uniform(0, 1.5, 10)
    for seconds in times:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        time.sleep(seconds)
        process.kill()
        process.wait()
        process.stdout.close()
    prepare(folder, 64, cache=tmp_path / "killed")
    prepare(folder, 64, cache=tmp_path / "whole")
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = """
import os, pippin.pictures.preparing.workers as workers
workers.PROCESSES_FROM, workers.available_cores = 1, lambda: 2
work = workers.map_in_order(abs, range(1000), True, abs)
next(work)
os.kill(os.getpid(), 9)
"""
    # all processes share standard output, which is closed when the last of them ends
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300
    )
    assert done.returncode == -9
