"""A preparation in parts gives the same bytes, when joined, as one in one piece."""

import shutil
import sys

import numpy as np
import odd_files
import pytest
import tiny
from PIL import Image
from typer.testing import CliRunner

from pippin import cli
from pippin.errors import SettingsError
from pippin.pictures import Preparation, prepare
from pippin.pictures.preparing.reuse import Shard


@pytest.fixture
def folder(tmp_path):
    """Return a folder of pictures, exact and near copies in other parts, a wide picture, an animation and a text."""
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(20))
    (folder / "003b.txt").write_text("x")
    (folder / "018b.png").write_bytes((folder / "001.png").read_bytes())
    odd_files.split(120, 40).save(folder / "wide.png")
    odd_files.split(80, 80).rotate(90).save(folder / "000c.png")
    odd_files.split(60, 60).rotate(90).save(folder / "z.png")
    first, *others = (Image.fromarray(image) for image in tiny.pictures(4, seed=3))
    first.save(folder / "moving.gif", save_all=True, append_images=others)
    return folder


def content(cache):
    """Return name → bytes of the files in a cache."""
    return {path.name: path.read_bytes() for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}


def must_not_prepare(item, **options):
    raise AssertionError(f"{item.path} was read again")


def sources(folder, kind):
    if kind == "folder":
        return folder
    if kind == "array":
        return tiny.pictures(9)
    return shutil.make_archive(str(folder.parent / "set"), kind, folder)


@pytest.mark.parametrize("kind", ["folder", "zip", "gztar", "array"])
@pytest.mark.parametrize("duplicates", ["exact", "near", "keep"])
def test_joined_parts_have_the_same_bytes(folder, tmp_path, monkeypatch, kind, duplicates):
    source = sources(folder, kind)
    options = Preparation(duplicates=duplicates, crops=2, frames="all")
    whole = prepare(source, 16, cache=tmp_path / "whole", preparation=options)
    cache = tmp_path / "parts"
    for shard in ("3/3", "1/3", "2/3"):
        prepare(source, 16, cache=cache, preparation=options, shard=shard)
    monkeypatch.setattr(
        sys.modules[prepare.__module__], "prepare_item", must_not_prepare
    )  # joining must not read pictures
    joined = prepare(source, 16, cache=cache, preparation=options)
    assert content(cache) == content(tmp_path / "whole")
    assert joined.fingerprint == whole.fingerprint
    np.testing.assert_array_equal(joined.images, whole.images)


def test_missing_parts_are_prepared_when_the_others_are_joined(folder, tmp_path):
    prepare(folder, 16, cache=tmp_path / "whole")
    prepare(folder, 16, cache=tmp_path / "parts", shard="2/4")
    done = []
    prepare(folder, 16, cache=tmp_path / "parts", progress=lambda *progress: done.append(progress))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_part_of_an_earlier_state_is_not_reused_for_changed_files(folder, tmp_path):
    for shard in ("1/2", "2/2"):
        prepare(folder, 16, cache=tmp_path / "parts", shard=shard)
    Image.fromarray(tiny.pictures(1, seed=8)[0]).save(folder / "005.png")
    prepare(folder, 16, cache=tmp_path / "parts")
    prepare(folder, 16, cache=tmp_path / "whole")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_parts_may_be_empty_or_hold_no_picture(tmp_path):
    folder = tiny.save(tmp_path / "pictures", tiny.pictures(2))
    (folder / "a.txt").write_text("x")
    for number in range(1, 6):
        prepare(folder, 16, cache=tmp_path / "parts", shard=f"{number}/5")
    prepare(folder, 16, cache=tmp_path / "parts")
    prepare(folder, 16, cache=tmp_path / "whole")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_part_is_resumed_after_a_kill(folder, tmp_path):
    class Killed(BaseException):
        pass

    def killed(done, total):
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        prepare(folder, 16, cache=tmp_path / "parts", shard="1/2", progress=killed)
    steps = []
    prepare(folder, 16, cache=tmp_path / "parts", shard="1/2", progress=lambda *step: steps.append(step))
    assert steps[0] == (6, 13)
    assert steps[-1] == (13, 13)


def test_the_parts_cover_all_items():
    files = list(range(10))
    assert [file for n in range(1, 5) for file in Shard(f"{n}/4").of(files)] == files


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_wrong_parts_are_rejected(folder, text):
    with pytest.raises(SettingsError) as error:
        prepare(folder, 16, shard=text)
    message = "shard must be the number of a part and how many there are, such as 2/4."
    assert str(error.value) == f"{message} Received: shard={text}"


def test_the_prepare_command(folder):
    words = ["prepare", str(folder), "--image-size", "16"]
    for shard in ("1/2", "2/2"):
        done = CliRunner().invoke(cli.app, [*words, "--shard", shard])
        assert done.output.splitlines() == [
            f"Shard {shard}: 13 files prepared",
            "When all shards are prepared in the same cache folder, run the command without --shard",
        ]
    done = CliRunner().invoke(cli.app, words)
    assert done.output == prepare(folder, 16).summary() + "\n"
