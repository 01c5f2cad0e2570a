"""Folders that hold several kinds of things, and names that are no source."""

import io
import zipfile

import numpy as np
import pytest
import test_label_tables
import test_sources
import tiny

from pippin import cli
from pippin.errors import SourceError
from pippin.pictures import open_source, prepare


def pictures(folder, count):
    """Write some pictures into a folder, and return the folder."""
    return test_label_tables.save(folder, [f"example{n}.png" for n in range(count)])


def container(folder, kind, count=5):
    """Write a container with pictures into a folder, and return its path."""
    path = folder / f"set.{kind}"
    folder.mkdir(exist_ok=True)
    contents = test_sources.files(count)
    if kind == "zip":
        test_sources.zipped(path, contents)
    elif kind in ("tar", "tar.gz"):
        test_sources.tarred(path, contents, "w:gz" if kind == "tar.gz" else "w")
    elif kind == "parquet":
        test_sources.parquet(path, [{"bytes": content} for content in contents.values()])
    elif kind == "npy":
        np.save(path, tiny.pictures(count))
    else:
        np.savez(path, images=tiny.pictures(count))
    return path


KINDS = ["zip", "tar", "tar.gz", "npy", "npz"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("beside", [0, 1, 2])
def test_the_container_is_used_if_it_holds_more_pictures_than_there_are_beside_it(tmp_path, kind, beside):
    folder = pictures(tmp_path / "in", beside)
    path = container(folder, kind)
    (folder / "README.md").write_text("A dataset.")
    dataset = prepare(folder, 16)
    assert dataset.fingerprint == prepare(path, 16).fingerprint
    named = {1: "1 file (example0.png)", 2: "2 files (example0.png, example1.png)"}
    notes = (f"passed over: {named[beside]}, because more pictures are in set.{kind}",) if beside else ()
    assert dataset.notes == notes


def parquet_folder(folder, count):
    test_label_tables.parquet(folder / "data" / "train.parquet", {})
    return pictures(folder, count)


@pytest.mark.parametrize("beside", [0, 1, 3])
def test_parquet_files_are_used_if_they_hold_more_pictures(tmp_path, beside):
    dataset = prepare(parquet_folder(tmp_path / "in", beside), 16)
    assert len(dataset) == test_label_tables.COUNT
    assert bool(beside) == any(note.startswith(f"passed over: {beside} file") for note in dataset.notes)


def test_pictures_are_used_if_there_are_more_of_them_and_the_containers_are_named(tmp_path):
    folder = pictures(tmp_path / "in", 9)
    for kind in ("zip", "npy"):
        container(folder, kind)
    np.save(folder / "features.npy", np.zeros((9, 512), np.float32))
    dataset = prepare(folder, 16)
    reasons = {entry.path: entry.reasons[0] for entry in dataset.audit.refused}
    reason = "holds pictures, but is passed over beside others: give it as SOURCE to use it"
    assert reasons == {"set.zip": reason, "set.npy": reason, "features.npy": "not a picture"}
    assert len(dataset) == 9


def test_several_archives_are_a_question(tmp_path):
    folder = pictures(tmp_path / "in", 1)
    for name in ("train", "test"):
        container(folder, "zip").rename(folder / f"{name}.zip")
    with pytest.raises(SourceError) as error:
        prepare(folder, 16)
    assert str(error.value) == (
        "The folder holds 2 archives or arrays with pictures (test.zip, train.zip); give one of them as SOURCE, or "
        f"unpack them into one folder. Received: source={str(folder)!r}"
    )


def test_damaged_containers_and_tables_beside_pictures_do_not_matter(tmp_path):
    folder = pictures(tmp_path / "in", 3)
    for name in ("a.zip", "a.tar.gz", "a.npy", "a.npz", "a.parquet"):
        (folder / name).write_bytes(b"nonsense")
    assert len(prepare(folder, 16)) == 3


def test_the_illustrations_of_the_shared_cases_are_not_the_dataset(cases):
    dataset = prepare(cases / "parquet-labels" / "with-picture", 16)
    assert len(dataset) == 40
    assert "passed over: 2 files (example.png, thumbnail.png)" in dataset.summary()


# --- names that are no source ---


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "SOURCE is empty; give the folder of the pictures, or . for the current one. Received: source=''"),
        ("  ", "SOURCE is empty"),
        ("mnist", "the dataset of Keras is called keras:mnist. Received: source='mnist'"),
        ("CIFAR-10", "the dataset of Keras is called keras:cifar10"),
        ("fashion-mnist", "the dataset of Keras is called keras:fashion_mnist"),
        ("https://example.org/photos.zip", "Addresses are not read; download the pictures into a folder"),
        ("s3://bucket/photos", "Addresses are not read"),
        ("user/data-set", "`hf download --repo-type dataset user/data-set --local-dir data-set`"),
        ("photos/*.jpg", "patterns are not expanded; give the folder 'photos'"),
        ("photos/**/a?.png", "patterns are not expanded"),
        ("x" * 300, "The name of SOURCE is too long; give a folder, or write a list of files into a .txt file"),
        ("x/" * 5000, "The name of SOURCE is too long"),
        ("x\0y", "There is no such folder; check its spelling"),
        ("C:\\Users\\me\\photos", "There is no such folder; check its spelling"),
        (["a/1.jpg", "a/2.jpg", "a/3.jpg"], "and not several names (a pattern such as *.jpg becomes one name for each"),
    ],
)
def test_a_name_that_is_no_source_is_explained_with_the_right_form(tmp_path, monkeypatch, name, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as error:
        prepare(name, 16)
    assert text in str(error.value)
    assert len(str(error.value)) < 500


def test_folders_with_brackets_and_the_names_of_datasets_are_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mnist", "[beach] 2019", "what?", "user/photos"):
        assert len(prepare(pictures(tmp_path / name, 2).relative_to(tmp_path), 16)) == 2


@pytest.mark.parametrize("verb", ["train", "plan", "audit", "prepare"])
def test_a_pattern_that_the_shell_expanded_is_explained_on_the_command_line(tmp_path, verb, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pippin", verb, "photos/1.jpg", "photos/2.jpg", "photos/3.jpg"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert (
        "give their folder 'photos', or a .txt file with a path on each line. Received: 3 names"
        in capsys.readouterr().err
    )


def test_a_list_with_a_name_that_is_too_long_is_read(tmp_path):
    folder = pictures(tmp_path / "in", 2)
    (tmp_path / "list.txt").write_text(f"in/example0.png\nin/example1.png\n{'x' * 300}.png\n{'y/' * 3000}a.png\n")
    refused = prepare(tmp_path / "list.txt", 16).audit.refused
    assert {entry.reasons[0] for entry in refused} == {"cannot be read (File name too long)"}
    assert len(refused) == 2
    assert folder.is_dir()


@pytest.mark.parametrize("size", [3 * 2**30, 2**25])
def test_an_array_that_unpacks_to_more_than_memory_holds_is_refused_before(tmp_path, size):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (size // 1024, 32, 32)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("images.npy", "w", force_zip64=True) as file:
            file.write(header.getvalue())
            for _ in range(min(size, 2**25) // 2**20):
                file.write(bytes(2**20))
        archive.infolist()[0].file_size = size
    with pytest.raises(SourceError, match=r"too large to unpack into memory \(.* save the images with `numpy.save` as"):
        open_source(tmp_path / "a.npz")


def test_an_array_of_moderate_size_is_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=tiny.pictures(8))
    assert len(prepare(tmp_path / "a.npz", 16)) == 8
