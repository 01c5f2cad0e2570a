"""Atomic writes, and the errors of writing."""

import contextlib
import json
import os
import stat

import pytest

from pippin.errors import ExportError, PippinError, RunError, SettingsError
from pippin.host import files


def test_an_atomic_write_replaces_the_file_only_at_its_end(tmp_path):
    path = tmp_path / "grid.png"
    path.write_text("old")
    with files.atomic_path(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
        assert part.suffix == ".png"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["grid.png"]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "notes.txt"
    files.write_text(path, "old")
    with contextlib.suppress(KeyboardInterrupt), files.atomic_path(path) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path):
    path = tmp_path / "notes.txt"
    with files.atomic_path(path) as first, files.atomic_path(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the last one to end


@pytest.mark.parametrize("name", ["notes.part", "notes.txt.part", ".notes.part.txt", ".notes.txt.part"])
def test_a_link_beside_the_file_is_not_written_through(tmp_path, name):
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / name).symlink_to(other)
    files.write_text(tmp_path / "notes.txt", "new")
    assert other.read_text() == "precious"


def test_a_file_has_the_usual_mode_even_if_a_library_replaced_it(tmp_path):
    plain, path = tmp_path / "plain", tmp_path / "notes.txt"
    plain.touch()
    with files.atomic_path(path) as part:
        part.unlink()
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR))
    assert path.stat().st_mode == plain.stat().st_mode


def test_leftovers_of_a_kill_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "pictures").mkdir()
    left = [tmp_path / f".{'0f' * 8}.part.json", tmp_path / "pictures" / f".{'ab' * 8}.part"]
    kept = [tmp_path / ".part", tmp_path / ".my.part.json", tmp_path / f"{'0f' * 8}.part.json"]
    linked, folder = tmp_path / f".{'12' * 8}.part", tmp_path / f".{'34' * 8}.part"
    for path in left + kept:
        path.touch()
    linked.symlink_to(kept[0])
    folder.mkdir()
    files.remove_leftovers(tmp_path)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in [*kept, linked, folder])


def test_several_files_are_moved_together_in_their_order(tmp_path, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda part, path: [moved.append(path.name), replace(part, path)])
    with files.atomic_files(tmp_path / "page", ["b", "a"]) as part:
        for name in ("a", "b"):
            (part / name).write_text(name)
        assert os.listdir(tmp_path / "page") == [part.name]
    assert moved == ["b", "a"]
    assert sorted(os.listdir(tmp_path / "page")) == ["a", "b"]


def test_errors_name_what_could_not_be_written(tmp_path):
    below = tmp_path / "file" / "grid.png"
    (tmp_path / "file").touch()
    with (
        pytest.raises(ExportError, match=r"^The page cannot be written: .+\. Received: .*grid.png$"),
        files.output_path(below, "page", ExportError),
    ):
        pass
    with (
        pytest.raises(RunError, match=r"^The run cannot be written: No space left. Received: .*file$"),
        files.run_errors(tmp_path / "file"),
    ):
        raise OSError(28, "No space left")
    with (
        pytest.raises(PippinError, match=r"The picture cannot be written: cannot hold RGBA. Received"),
        files.output_path(tmp_path / "a.jpg", "picture"),
    ):
        raise ValueError("cannot hold RGBA")


def test_pippins_own_errors_pass_unchanged(tmp_path):
    with pytest.raises(SettingsError, match=r"^mine$"), files.output_path(tmp_path / "a.jpg", "picture"):
        raise SettingsError("mine")


def test_names_that_are_not_utf_8_are_escaped_in_texts(tmp_path):
    files.write_text(tmp_path / "a.json", json.dumps({"file": "a\udcffb"}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"file": "a\udcffb"}
