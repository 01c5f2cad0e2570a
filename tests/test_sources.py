"""Sources other than folders and arrays: lists, archives, parquet files, the datasets of Keras."""

import importlib
import io
import pickle
import struct
import sys
import tarfile
import zipfile

import numpy as np
import odd_files
import pytest
import tiny

from pippin.errors import SourceError
from pippin.pictures import prepare, typical_side
from pippin.pictures.sources import open_source
from pippin.pictures.sources.archives import RATIO_FROM


def files(count=3):
    """Return name → content of different pictures."""
    return {f"{n}.png": odd_files.encoded(tiny.Image.fromarray(tiny.pictures(seed=n)[0]), "PNG") for n in range(count)}


def outcomes(source):
    """Return path → verdict and reasons."""
    return {entry.path: (entry.verdict, *entry.reasons) for entry in prepare(source, 16).audit.entries}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, content in files().items():
        (folder / name).write_bytes(content)
    return folder


def zipped(path, contents, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def tarred(path, contents, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "list", "parquet"])
def test_every_kind_of_source_gives_the_pictures_of_the_folder(folder, tmp_path, kind):
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        zipped(path, files())
    elif kind == "list":
        path = tmp_path / "set.txt"
        path.write_text("folder/0.png\n\nfolder/1.png\r\n" + str(folder / "2.png") + "\n")
    elif kind == "parquet":
        path = parquet(tmp_path / "set", [{"bytes": content, "path": name} for name, content in files().items()])
    else:
        tarred(path, files(), f"w:{kind.removeprefix('tar').removeprefix('.')}")
    dataset = prepare(path, 16)
    assert dataset.fingerprint == prepare(folder, 16).fingerprint
    assert dataset.name == "set"
    assert typical_side(path) == (None if kind in ("tar.gz", "tar.xz") else 16)
    source = pickle.loads(pickle.dumps(open_source(path)))
    assert source.items == []  # other processes get the items one by one
    source.read(open_source(path).items[0], 16, 64, dataset.preparation)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_names_in_an_archive_cannot_point_outside_it(tmp_path, make):
    outside = tmp_path / "outside.png"
    contents = {**files(2), "../outside.png": b"x", "/etc/passwd": b"y", ".hidden.png": b"z", "__MACOSX/a": b"z"}
    path = make(tmp_path / f"a.{'zip' if make is zipped else 'tar'}", contents)
    assert outcomes(path) == {
        "../outside.png": ("refused", "not a picture"),
        "/etc/passwd": ("refused", "not a picture"),
        "0.png": ("kept",),
        "1.png": ("kept",),
    }
    assert not outside.exists()


def test_links_in_a_tar_are_not_followed(tmp_path):
    with tarfile.open(tarred(tmp_path / "a.tar", files(2)), "a") as archive:
        link = tarfile.TarInfo("passwd.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    reason = "not a file but a link (not followed in an archive) or a device"
    assert outcomes(tmp_path / "a.tar")["passwd.png"] == ("refused", reason)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = zipped(tmp_path / "a.zip", {**files(2), "bomb.png": bytes(2 * RATIO_FROM)})
    assert outcomes(path)["bomb.png"][1].startswith("a zip bomb: ")
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    for start in (content.index(b"PK\x01\x02", content.index(b"bomb.png", directory) - 60),):
        content[start + 24 : start + 28] = struct.pack("<I", 5000)  # the archive claims that it is small
    path.write_bytes(content)
    verdict, reason = outcomes(path)["bomb.png"]
    assert verdict == "refused"
    assert reason.startswith(("longer than", "damaged in its archive", "not a picture"))


def test_a_locked_file_in_a_zip_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", {**files(2), "locked.png": b"secret"})
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        name = content.index(b"locked.png", content.index(signature))
        content[content.rindex(signature, 0, name) + place] |= 1
    path.write_bytes(content)
    assert outcomes(path)["locked.png"] == ("refused", "locked with a password: unpack it first")


def test_a_damaged_file_in_an_archive_is_refused_by_name(tmp_path):
    path = zipped(tmp_path / "a.zip", files(3))
    content = bytearray(path.read_bytes())
    start = content.index(b"1.png")
    content[start + 10 : start + 200] = bytes(190)
    path.write_bytes(content)
    found = outcomes(path)
    assert found["1.png"][1].startswith("damaged in its archive: ")
    assert (found["0.png"], found["2.png"]) == (("kept",), ("kept",))


@pytest.mark.parametrize(
    ("name", "content"), [("a.zip", b"PK\x03\x04"), ("a.tar", b"x" * 2000), ("a.tar.gz", b"\x1f\x8b")]
)
def test_a_file_that_is_not_an_archive(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=r"This archive cannot be read .*; create it again\. Received"):
        prepare(tmp_path / name, 16)


def test_an_empty_archive(tmp_path):
    with pytest.raises(SourceError, match="The archive is empty"):
        prepare(zipped(tmp_path / "a.zip", {}), 16)


def test_a_list_with_missing_files_and_folders(tmp_path, folder):
    path = tmp_path / "list.txt"
    path.write_text("folder/0.png\nfolder/1.png\nfolder/9.png\nfolder\n")
    found = outcomes(path)
    assert found["folder/9.png"] == ("refused", "there is no such file")
    assert found["folder"] == ("refused", "a folder, but the list must name files")
    path.write_text("\n\n")
    with pytest.raises(SourceError, match="The list is empty"):
        prepare(path, 16)
    path.write_bytes(bytes(100))
    with pytest.raises(SourceError, match="not a text with a path on each line"):
        prepare(path, 16)


# --- Keras ---


def test_a_keras_dataset(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    module = importlib.import_module("keras.datasets.mnist")
    monkeypatch.setattr(module, "load_data", lambda: ((images, None), (None, None)))
    dataset = prepare("keras:mnist", 16)
    assert (len(dataset), dataset.name, dataset.manifest["source"]) == (5, "mnist", "keras:mnist")


def test_a_keras_dataset_without_a_network(monkeypatch):
    def fails():
        raise Exception("URL fetch failure on\nhttps://example.org: None")

    monkeypatch.setattr(importlib.import_module("keras.datasets.cifar10"), "load_data", fails)
    with pytest.raises(SourceError, match=r"The dataset cannot be downloaded; .*'keras:cifar10' \(URL fetch failure"):
        open_source("keras:cifar10")
    with pytest.raises(SourceError, match="The datasets of Keras are keras:mnist, "):
        open_source("keras:apples")


# --- parquet ---


def parquet(folder, cells, groups=2, **columns):
    import pyarrow
    from pyarrow import parquet as writer

    (folder / "data").mkdir(parents=True)
    table = pyarrow.table({"label": list(range(len(cells))), "image": cells, **columns})
    writer.write_table(table, folder / "data" / "train-00000.parquet", row_group_size=groups)
    (folder / "README.md").write_text("A dataset.")
    return folder


def test_rows_of_parquet_without_a_picture(tmp_path):
    good = [{"bytes": content, "path": None} for content in files(2).values()]
    found = outcomes(parquet(tmp_path / "a", [*good, {"bytes": None, "path": "gone.png"}, {"bytes": b"x", "path": ""}]))
    assert found["0000002"] == ("refused", "no picture in this row")
    assert found["0000003"] == ("refused", "not a picture")


def test_parquet_of_bytes_and_without_pictures(tmp_path):
    assert len(prepare(parquet(tmp_path / "a", list(files().values())), 16)) == 3
    with pytest.raises(SourceError, match=r"no column with pictures .* with label, image"):
        prepare(parquet(tmp_path / "b", ["a", "b"]), 16)


def test_damaged_parquet_and_no_pyarrow(tmp_path, monkeypatch):
    folder = parquet(tmp_path / "a", list(files().values()))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(SourceError, match="Parquet files need pyarrow, which is not installed"):
            prepare(folder, 16)
    (folder / "data" / "train-00000.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(SourceError, match="The parquet file cannot be read"):
        prepare(folder, 16)
