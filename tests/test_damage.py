"""Files that could not be read now, and prepared pictures that are damaged: both are noticed, and prepared again."""

import errno
import importlib
import os

import numpy as np
import pytest
import tiny
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures import prepare
from pippin.pictures.preparing import unread
from pippin.pictures.sources import files

prepare_module = importlib.import_module("pippin.pictures.preparing.prepare")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(12):
        Image.fromarray(tiny.pictures(seed=n)[0]).save(folder / f"{n:02}.png")
    return folder


@pytest.fixture
def drive(monkeypatch):
    """Make reads of the files that are named in a set fail with a number of the system."""
    failing, read = {}, files.read_picture

    def reads(path, *rest):
        if path.name in failing:
            raise OSError(failing[path.name], os.strerror(failing[path.name]), str(path))
        return read(path, *rest)

    monkeypatch.setattr(files, "read_picture", reads)
    return failing


NUMBERS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.EACCES, errno.ENOENT, errno.EREMOTEIO)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: errno.errorcode[number])
def test_one_file_that_cannot_be_read_now_is_refused_by_name_and_used_when_it_can_be_read(folder, drive, number):
    whole = prepare(folder, 16)
    os.utime(folder / "07.png", (1, 1))
    drive["07.png"] = number
    dataset = prepare(folder, 16)
    (entry,) = dataset.audit.refused
    assert (entry.path, len(dataset)) == ("07.png", 11)
    assert "cannot" not in entry.reasons[0]
    assert "damaged" not in dataset.summary()
    assert prepare(folder, 16).fingerprint == dataset.fingerprint  # it is still unreadable
    drive.clear()
    again = prepare(folder, 16)
    assert again.audit.counts == {"kept": 12, "mended": 0, "refused": 0}
    assert again.fingerprint == whole.fingerprint


def test_the_reason_is_that_of_the_system(folder, drive):
    drive["07.png"] = errno.EIO
    assert "refused: 07.png (could not be read now: Input/output error)" in prepare(folder, 16).summary()


def test_damaged_content_is_remembered(folder, drive):
    drive["07.png"] = errno.EINVAL  # a decoder was led to a negative position
    dataset = prepare(folder, 16)
    assert dataset.audit.refused[0].reasons == ("cannot be prepared: OSError: Invalid argument",)
    drive.clear()
    assert prepare(folder, 16).fingerprint == dataset.fingerprint


def test_only_the_unread_files_are_read_again(folder, drive, monkeypatch):
    drive["07.png"] = errno.EIO
    prepare(folder, 16)
    drive.clear()
    steps, read = [], files.read_picture
    monkeypatch.setattr(files, "read_picture", lambda path, *rest: (steps.append(path.name), read(path, *rest))[1])
    prepare(folder, 16)
    assert set(steps) == {"07.png"}


def test_too_many_unread_files_stop_the_preparation_and_the_next_one_resumes_it(folder, drive, monkeypatch):
    drive.update(dict.fromkeys(("06.png", "08.png", "09.png"), errno.ESTALE))
    with pytest.raises(SourceError) as error:
        prepare(folder, 16)
    assert str(error.value) == (
        "Too many pictures could not be read now (3 of 12 files); check the drive and the permissions, and run the "
        f"same command again. What is prepared so far is kept. Received: source={str(folder)!r} with 06.png (could not "
        f"be read now: {os.strerror(errno.ESTALE)})"
    )
    drive.clear()
    steps, read = [], files.read_picture
    monkeypatch.setattr(files, "read_picture", lambda path, *rest: (steps.append(path.name), read(path, *rest))[1])
    assert len(prepare(folder, 16)) == 12
    assert min(steps) == "06.png"


def test_a_drive_that_is_gone_stops_the_preparation_at_once(folder, drive, monkeypatch):
    monkeypatch.setattr(unread, "MAX_IN_A_ROW", 3)
    monkeypatch.setattr(unread, "MAX_SHARE", 1.0)
    drive.update(dict.fromkeys((f"{n:02}.png" for n in range(2, 12)), errno.EIO))
    with pytest.raises(SourceError, match=r"\(4 of 12 files\)"):
        prepare(folder, 16)


def test_the_workers_have_ended_when_a_preparation_stops(folder, drive, monkeypatch):
    monkeypatch.setattr(unread, "MAX_IN_A_ROW", 3)
    drive.update(dict.fromkeys((f"{n:02}.png" for n in range(2, 12)), errno.EIO))
    ended, map_in_order = [], prepare_module.map_in_order

    def recorded(*args):
        try:
            yield from map_in_order(*args)
        finally:
            ended.append(True)

    monkeypatch.setattr(prepare_module, "map_in_order", recorded)
    with pytest.raises(SourceError) as error:  # whose traceback keeps the generators
        prepare(folder, 16)
    assert ended == [True], error


def test_too_many_open_files_are_not_blamed_on_a_folder(folder, monkeypatch):
    def full(journal, entry, squares):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("pippin.pictures.preparing.journal.Journal.add", full)
    with pytest.raises(SourceError, match=r"\(Too many open files\); close other programs, or raise") as error:
        prepare(folder, 16)
    assert "another folder" not in str(error.value)


def test_a_video_that_cannot_be_opened_now_is_not_called_damaged(folder, monkeypatch):
    from pippin.pictures.sources import moving

    (folder / "a.mp4").write_bytes(b"x" * 100)
    assert prepare(folder, 16).audit.refused[0].reasons[0].startswith("a video")

    def fails(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(moving, "_input", fails)
    os.utime(folder / "a.mp4", (1, 1))
    assert prepare(folder, 16).audit.refused[0].reasons == ("could not be read now: Input/output error",)


# --- damaged prepared pictures ---

FLIPS = int(os.environ.get("PIPPIN_FLIPS", "120"))
"""Number of flipped bits; 10,000 take minutes."""


def flipped(path, draw):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[draw.integers(len(content))] ^= 1 << int(draw.integers(8))
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "share"), [("pictures.npy", 3), ("manifest.json", 2), ("checksums.json", 1)])
def test_every_flipped_bit_in_prepared_pictures_is_noticed_and_they_are_prepared_again(folder, cache, name, share):
    draw, first = np.random.default_rng(0), prepare(folder, 16)
    expected = first.fingerprint, first.audit.to_dict(), first.images.tobytes()
    for _ in range(FLIPS * share // 6):
        (path,) = cache.rglob(name)
        content = path.read_bytes()
        flipped(path, draw)
        dataset = prepare(folder, 16)
        assert (dataset.fingerprint, dataset.audit.to_dict(), dataset.images.tobytes()) == expected
        (path,) = cache.rglob(name)
        assert path.read_bytes() == content
        (note,) = dataset.notes
        assert note.startswith("prepared again, because the earlier prepared pictures were damaged (")
        assert note in dataset.summary()
    assert prepare(folder, 16).notes == ()


def test_black_prepared_pictures_are_noticed(folder, cache):
    first = prepare(folder, 16)
    (path,) = cache.rglob("pictures.npy")
    np.save(path, np.zeros_like(first.stored))
    dataset = prepare(folder, 16)
    assert dataset.notes[0].endswith("(pictures.npy differs from its checksum)")
    assert dataset.fingerprint == first.fingerprint
    assert dataset.images.max() > 0


def test_damage_is_noticed_too_when_some_files_have_changed(folder, cache):
    prepare(folder, 16)
    (path,) = cache.rglob("pictures.npy")
    flipped(path, np.random.default_rng(1))
    os.utime(folder / "03.png", (1, 1))
    assert "damaged" in prepare(folder, 16).summary()


def test_damage_in_an_unfinished_preparation_is_noticed(folder, cache, tmp_path):
    class Stopped(Exception):  # noqa: N818 - it stands for a kill
        pass

    def stop(done, total):
        if done == 9:
            raise Stopped

    expected = prepare(folder, 16, cache=tmp_path / "undisturbed")
    draw = np.random.default_rng(0)
    for n in range(20):
        with pytest.raises(Stopped):
            prepare(folder, 16, progress=stop, cache=tmp_path / str(n))
        (journal,) = (tmp_path / str(n)).rglob("journal.jsonl")
        flipped(journal if n % 2 else journal.with_name("pictures.npy"), draw)
        dataset = prepare(folder, 16, cache=tmp_path / str(n))
        assert dataset.audit.to_dict() == expected.audit.to_dict()
        assert dataset.images.tobytes() == expected.images.tobytes()
