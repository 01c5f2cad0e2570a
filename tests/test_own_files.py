"""The files of a run: no link inside a run is followed, and only regular files are read."""

import os
import threading

import pytest

from pippin.errors import RunError
from pippin.host.own_files import is_own_file, read_own, require_own

posix = pytest.mark.skipif(os.name == "nt", reason="links and named pipes need POSIX")


def test_a_file_is_read(tmp_path):
    (tmp_path / "a.json").write_bytes(b"text")
    assert read_own(tmp_path / "a.json", 4) == b"text"
    assert is_own_file(tmp_path / "a.json")


def test_a_missing_file_is_none(tmp_path):
    assert read_own(tmp_path / "a.json", 4) is None
    assert not is_own_file(tmp_path / "no" / "a.json", tmp_path)


def test_a_file_above_the_limit_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b"text")
    with pytest.raises(RunError, match=r"a\.json is larger than the limit"):
        read_own(tmp_path / "a.json", 3)


@posix
@pytest.mark.parametrize("target", ["file", "nothing", "folder", "itself"])
def test_a_link_is_refused_and_what_it_points_to_stays(target, tmp_path):
    outside, run = tmp_path / "outside", tmp_path / "run"
    run.mkdir()
    if target == "file":
        outside.write_bytes(b"of the user")
    if target == "folder":
        outside.mkdir()
    (run / "a.json").symlink_to("a.json" if target == "itself" else outside)
    for call in (lambda: read_own(run / "a.json", 100), lambda: require_own(run / "a.json")):
        with pytest.raises(RunError, match=r"a\.json is a link, and Pippin follows no link inside a run"):
            call()
    assert outside.exists() == (target in ("file", "folder"))


@posix
def test_a_linked_folder_inside_a_run_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.png").write_bytes(b"of the user")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pictures").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match="pictures is a link"):
        read_own(tmp_path / "run" / "pictures" / "a.png", 100, tmp_path / "run")


@posix
def test_the_folder_of_the_run_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.json").write_bytes(b"text")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    assert read_own(tmp_path / "run" / "a.json", 100) == b"text"


@posix
def test_a_named_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    problems = []

    def read():
        try:
            read_own(tmp_path / "a.json", 100)
        except RunError as problem:
            problems.append(str(problem))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(60)
    assert problems == [f"a.json is not a regular file; remove it. Received: {tmp_path / 'a.json'}"]


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused_in_one_line(name, tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        read_own(tmp_path / name, 100)
