"""Labels from the conventions of public datasets: splits, tables beside the pictures, parquet files and arrays."""

import csv
import io
import json
import shutil

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import test_sources
import tiny
from PIL import Image

import pippin
from pippin.errors import SettingsError, SourceError
from pippin.pictures import Preparation, prepare
from pippin.pictures.labels import folder_labels

COUNT = 8


def save(folder, paths):
    """Write a picture to each of some paths in a folder, and return the folder."""
    for n, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tiny.pictures(seed=n)[0]).save(folder / path)
    return folder


def labelled(source, labels):
    """Return path → label of the pictures that are used."""
    dataset = prepare(source, 16, preparation=Preparation(labels=labels))
    return {entry.path: entry.label for entry in dataset.audit.entries if entry.index is not None}


def refusals(source, labels):
    """Return path → reason of the files that are refused."""
    dataset = prepare(source, 16, preparation=Preparation(labels=labels))
    return {entry.path: entry.reasons[0] for entry in dataset.audit.refused}


def message(source, labels):
    """Return the message of the error."""
    with pytest.raises(SourceError) as error:
        prepare(source, 16, preparation=Preparation(labels=labels))
    assert "\n" not in str(error.value)
    return str(error.value)


def zipped(folder, path):
    """Write a zip archive of a folder, and return its path."""
    shutil.make_archive(str(path.with_suffix("")), "zip", folder)
    return path


# --- splits ---


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    "splits",
    [
        ("train", "val"),
        ("train", "test", "validation"),
        ("Train", "DEV"),
        ("train2017", "val2017"),
        ("train_set", "test_set"),
    ],
)
@pytest.mark.parametrize(
    "pattern", ["{split}/{kind}/{n}.png", "set/{split}/images/{kind}/{n}.png", "{split}/{kind}/more/{n}.png"]
)
def test_labels_are_the_folders_below_the_splits(tmp_path, archive, splits, pattern):
    paths = {
        pattern.format(split=split, kind=kind, n=n): kind
        for split in splits
        for kind in ("cat", "dog")
        for n in range(2)
    }
    source = save(tmp_path / "in", paths)
    source = zipped(source, tmp_path / "in.zip") if archive else source
    assert labelled(source, "folders") == paths
    summary = prepare(source, 16, preparation=Preparation(labels="folders")).summary()
    assert f"labels: the folders below {', '.join(sorted(splits))}, which are splits and no labels" in summary


def test_pictures_directly_in_a_split_have_no_label(tmp_path):
    source = save(tmp_path, ["train/cat/0.png", "train/dog/1.png", "train/dog/2.png", "test/3.png", "test/4.png"])
    assert set(labelled(source, "folders").values()) == {"cat", "dog"}
    reason = "in no folder, so it has no label (below test, train)"
    assert refusals(source, "folders") == {"test/3.png": reason, "test/4.png": reason}


def test_splits_inside_classes_and_a_class_named_like_a_split_are_no_splits(tmp_path):
    inside = save(tmp_path / "inside", ["cat/train/0.png", "cat/test/1.png", "dog/train/2.png", "dog/test/3.png"])
    assert set(labelled(inside, "folders").values()) == {"cat", "dog"}
    vehicles = save(tmp_path / "vehicles", ["train/0.png", "plane/1.png", "car/2.png"])
    assert set(labelled(vehicles, "folders").values()) == {"train", "plane", "car"}


def test_splits_without_folders_below_and_splits_beside_others_are_explained(tmp_path):
    flat = save(tmp_path / "flat", ["train/0.png", "test/1.png", "test/2.png"])
    assert message(flat, "folders") == (
        "Labels from folders need at least two folders, one for each label; leave out --labels. "
        "Received: none below the splits test, train"
    )
    mixed = save(tmp_path / "mixed", ["train/cat/0.png", "test/dog/1.png", "extra/dog/2.png"])
    assert "splits of the dataset (test, train), and others are not (extra)" in message(mixed, "folders")


def test_paths_with_backslashes_from_windows(tmp_path):
    assert folder_labels(["train\\a\\1.png", "test\\b\\2.png"]) == (["a", "b"], ("test", "train"))
    contents = {
        f"set\\{kind}\\{n}.png": content
        for n, (kind, content) in enumerate(zip("abab", test_sources.files(4).values(), strict=True))
    }
    archive = test_sources.zipped(tmp_path / "a.zip", contents)
    assert list(labelled(archive, "folders").values()) == ["a", "a", "b", "b"]


def test_the_splits_of_the_shared_cases(cases):
    assert set(labelled(cases / "split-folders" / "in", "folders").values()) == {"box", "round"}


# --- tables ---


def table(name, rows):
    """Return the content of a table."""
    if name.endswith(".csv"):
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    if name.endswith(".jsonl"):
        return "".join(json.dumps(row) + "\n" for row in rows)
    return json.dumps({"labels": [[row["file_name"], row["label"]] for row in rows]})


def save_table(folder, name, values, prefix="images/"):
    """Write pictures and a table with their labels, and return the folder."""
    paths = [f"{prefix}{n}.png" for n in range(len(values))]
    save(folder, paths)
    rows = [{"file_name": path, "label": value} for path, value in zip(paths, values, strict=True)]
    (folder / name).write_text(table(name, rows), encoding="utf-8")
    return folder


NAMES = ("metadata.csv", "metadata.jsonl", "dataset.json")


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kinds", [("a", "b"), (0, 1), ("rot", "grün")])
def test_a_table_gives_the_labels_of_the_pictures(tmp_path, archive, name, kinds):
    source = save_table(tmp_path / "in", name, kinds * 4)
    source = zipped(source, tmp_path / "in.zip") if archive else source
    assert list(labelled(source, "label").values()) == [str(kind) for kind in kinds] * 4
    assert refusals(source, "label") == {name: "a table of labels, not a picture"}
    dataset = prepare(source, 16, preparation=Preparation(labels="label"))
    assert f"labels: the column 'label' of {name}" in dataset.summary()
    assert dataset.labels.counts.tolist() == [4, 4]


@pytest.mark.parametrize("name", NAMES)
def test_a_table_for_each_split(tmp_path, name):
    for split in ("train", "test"):
        save_table(tmp_path / split, name, ["a", "b"] * 2, prefix="")
        Image.fromarray(tiny.pictures(seed=9 if split == "train" else 8)[0]).save(tmp_path / split / "0.png")
    found = labelled(tmp_path, "label")
    assert set(found.values()) == {"a", "b"}
    assert found["train/0.png"] == found["test/0.png"] == "a"
    assert "labels: the column" in prepare(tmp_path, 16, preparation=Preparation(labels="label")).summary()
    if name != "dataset.json":
        assert f"choose --labels label or leave out --labels; the columns are label ({name})" in message(
            tmp_path, "folders"
        )


@pytest.mark.parametrize("name", NAMES)
def test_without_labels_the_summary_names_the_columns(tmp_path, name):
    dataset = prepare(save_table(tmp_path / "in", name, ["a", "b"] * 4), 16)
    assert dataset.labels is None
    line = f"labels that are not used: label ({name}); use one with --labels label"
    assert line in dataset.summary().splitlines()
    assert line in pippin.audit(tmp_path / "in", image_size=16, outliers=False).lines()


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "zip"])
def test_shards_are_not_taken_for_labels_if_the_table_of_stylegan_says_otherwise(tmp_path, archive):
    folder = save(tmp_path / "in", [f"{n // 4:05}/img{n:08}.png" for n in range(8)])
    rows = [{"file_name": f"{n // 4:05}/img{n:08}.png", "label": n % 2} for n in range(8)]
    (folder / "dataset.json").write_text(table("dataset.json", rows))
    source = zipped(folder, tmp_path / "in.zip") if archive else folder
    assert message(source, "folders") == (
        "dataset.json holds other labels than the folders (00000, 00001), which may be only parts of the dataset; "
        "choose --labels label, or remove dataset.json. Received: labels=folders"
    )
    assert list(labelled(source, "label").values()) == ["0", "1"] * 4


def test_folders_that_agree_with_the_table_of_stylegan_are_labels(tmp_path):
    folder = save(tmp_path / "in", [f"{'ab'[n // 4]}/{n}.png" for n in range(8)])
    rows = [{"file_name": f"{'ab'[n // 4]}/{n}.png", "label": n // 4} for n in range(8)]
    (folder / "dataset.json").write_text(table("dataset.json", rows))
    assert list(labelled(folder, "folders").values()) == ["a"] * 4 + ["b"] * 4


@pytest.mark.parametrize("document", [{"labels": None}, {"labels": []}, {}, {"name": "photos"}])
def test_a_dataset_json_without_labels_is_no_table(tmp_path, document):
    folder = save(tmp_path / "in", [f"{'ab'[n // 4]}/{n}.png" for n in range(8)])
    (folder / "dataset.json").write_text(json.dumps(document))
    assert "There is no column of this name; leave out --labels" in message(folder, "label")
    assert list(labelled(folder, "folders").values()) == ["a"] * 4 + ["b"] * 4


def test_shards_are_no_labels_if_the_table_of_stylegan_has_none(tmp_path):
    folder = save(tmp_path / "in", [f"{n // 4:05}/{n}.png" for n in range(8)])
    (folder / "dataset.json").write_text('{"labels": null}')
    assert message(folder, "folders") == (
        "dataset.json holds no labels, and the folders (00000, 00001) are only parts of the dataset; leave out "
        "--labels. Received: labels=folders"
    )


@pytest.mark.parametrize("missing", ["", None, "  "])
def test_pictures_without_a_value_are_refused_by_name(tmp_path, missing):
    folder = save_table(tmp_path / "in", "metadata.jsonl", ["a", "b", "a", "b", missing])
    save(folder, ["images/8.png", "images/9.png"])
    Image.fromarray(tiny.pictures(seed=20)[0]).save(folder / "images" / "8.png")
    Image.fromarray(tiny.pictures(seed=21)[0]).save(folder / "images" / "9.png")
    reason = "no label in the column 'label'"
    found = refusals(folder, "label")
    assert {path for path, text in found.items() if text == reason} == {"images/4.png", "images/8.png", "images/9.png"}


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1.0, 2.0] * 4, ["1", "2"]),
        ([True, False] * 4, ["false", "true"]),
        ([[1, 0], [0, 1]] * 4, ["0", "1"]),
        ([" a", "b "] * 4, ["a", "b"]),
        ([1, "b"] * 4, ["1", "b"]),
    ],
)
def test_values_of_several_types_are_labels(tmp_path, values, labels):
    folder = save_table(tmp_path / "in", "metadata.jsonl", values)
    assert prepare(folder, 16, preparation=Preparation(labels="label")).labels.names == tuple(labels)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            [0.5, 0.7] * 4,
            "Labels must be texts or whole numbers; choose another column. Received: labels=label with",
        ),
        ([{"x": 1}] * 8, "Labels must be texts or whole numbers"),
        (["a"] * 8, "Labels need at least two different values; leave out --labels. Received: a in the column 'label'"),
        ([None] * 8, "Labels need at least two different values; leave out --labels. Received: none in the column"),
        ([f"caption {n}" for n in range(8)], "8 different values for 8 pictures; leave out --labels, as there is no"),
    ],
)
def test_columns_that_hold_no_labels_are_explained(tmp_path, values, text):
    assert text in message(save_table(tmp_path / "in", "metadata.jsonl", values), "label")


def test_too_many_labels_are_explained(tmp_path):
    folder = save_table(tmp_path / "in", "metadata.jsonl", ["a", "b"])
    rows = [{"file_name": f"{n}.png", "label": n} for n in range(1200)]
    (folder / "metadata.jsonl").write_text(table("metadata.jsonl", rows))
    assert message(folder, "label").startswith(
        "There may be at most 1,000 labels; leave out --labels, or merge some. Received: 1,200 in the column 'label'"
    )


def test_another_column_is_chosen_by_its_name(tmp_path):
    folder = save(tmp_path / "in", [f"{n}.png" for n in range(8)])
    rows = [{"file_name": f"{n}.png", "colour": "rb"[n % 2], "text": f"caption {n}"} for n in range(8)]
    (folder / "metadata.csv").write_text("\ufeff" + table("metadata.csv", rows), encoding="utf-8")
    assert list(labelled(folder, "colour").values()) == ["r", "b"] * 4
    assert "choose --labels colour or leave out" in message(folder, "text")
    assert "the columns are" in message(folder, "kind")
    with pytest.raises(SettingsError, match=r"labels must be none, folders or a column\. Received: labels=''"):
        Preparation(labels="")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", b"{"),
        ("metadata.jsonl", b"[1]\n"),
        ("metadata.csv", b'file_name,label\n"a'),
        ("metadata.csv", b"\xff\xfe\x00"),
        ("dataset.json", b'{"labels": [1, 2]}'),
        ("dataset.json", b"[" * 100_000),
    ],
)
def test_a_damaged_table_is_named(tmp_path, name, content):
    folder = save(tmp_path / "in", ["0.png", "1.png"])
    (folder / name).write_bytes(content)
    text = message(folder, "label")
    assert text.startswith("The table of labels cannot be read (")
    assert text.endswith(f"with {name}")


def test_changed_labels_are_another_dataset(tmp_path):
    folder = save_table(tmp_path / "in", "metadata.csv", ["a", "b"] * 4)
    before = prepare(folder, 16, preparation=Preparation(labels="label"))
    save_table(folder, "metadata.csv", ["a", "a", "a", "b"] * 2)
    after = prepare(folder, 16, preparation=Preparation(labels="label"))
    assert after.labels.counts.tolist() == [6, 2]
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("folder", ["in-csv", "in-jsonl"])
def test_the_tables_of_the_shared_cases(cases, folder):
    dataset = prepare(cases / "metadata-labels" / folder, 16, preparation=Preparation(labels="label"))
    assert dataset.labels.names == ("box", "round")
    assert "label (metadata." in prepare(cases / "metadata-labels" / folder, 16).summary()


def test_the_labels_of_stylegan_of_the_shared_cases(cases):
    source = cases / "stylegan-labels" / "set.zip"
    assert "choose --labels label" in message(source, "folders")
    assert set(labelled(source, "label").values()) == {"0", "1"}


# --- parquet files and arrays ---


def parquet(path, columns, names=None):
    """Write a parquet file of pictures with more columns, and return its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": content, "path": None} for content in test_sources.files(COUNT).values()]
    written = pyarrow.table({"image": cells, **columns})
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        written = written.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(written, path)
    return path.parent


def test_class_labels_of_a_parquet_file_have_their_names(tmp_path):
    source = parquet(tmp_path / "set" / "a.parquet", {"label": [0, 1] * 4}, ["cat", "dog"])
    assert list(labelled(source, "label").values()) == ["cat", "dog"] * 4
    assert message(source, "folders") == (
        "This source has no folders; choose --labels label or leave out --labels; the columns are label (the parquet "
        "files). Received: labels=folders"
    )
    assert (
        "labels that are not used: label (the parquet files); use one with --labels label" in prepare(source, 16).notes
    )


@pytest.mark.parametrize("values", [["x", "y"] * 4, [3, 5] * 4, [True, False] * 4])
def test_other_columns_of_a_parquet_file(tmp_path, values):
    source = parquet(tmp_path / "set" / "a.parquet", {"kind": values})
    assert len(set(labelled(source, "kind").values())) == 2


def test_rows_of_a_parquet_file_without_a_class_are_refused(tmp_path):
    source = parquet(tmp_path / "set" / "a.parquet", {"label": [0, 1, -1, None, 0, 1, 0, 1]}, ["cat", "dog"])
    assert set(refusals(source, "label")) == {"0000002", "0000003"}


def test_labels_in_several_parquet_files(tmp_path):
    parquet(tmp_path / "set" / "test-0.parquet", {"label": [0, 1] * 4}, ["cat", "dog"])
    parquet(tmp_path / "set" / "train-0.parquet", {"label": [1, 1] * 4}, ["cat", "dog"])
    dataset = prepare(tmp_path / "set", 16, preparation=Preparation(labels="label", duplicates="keep"))
    assert dataset.labels.counts.tolist() == [4, 12]


def test_the_parquet_files_of_the_shared_cases(cases):
    dataset = prepare(cases / "parquet-labels" / "in", 16, preparation=Preparation(labels="label"))
    assert dataset.labels.names == ("box", "round")


def test_labels_beside_the_images_of_an_array(tmp_path, monkeypatch):
    images = tiny.pictures(COUNT)
    np.savez(tmp_path / "a.npz", images=images, kind=np.array(["x", "y"] * 4), other=np.zeros((COUNT, 2)))
    assert list(labelled(tmp_path / "a.npz", "kind").values()) == ["x", "y"] * 4
    assert "the columns are kind (a)" in message(tmp_path / "a.npz", "other")
    assert "This source has no folders" in message(images, "folders")

    class Digits:
        @staticmethod
        def load_data():
            return (images, np.arange(COUNT)[:, None] % 2), (images, None)

    monkeypatch.setattr("pippin.pictures.sources.keras_sets.importlib.import_module", lambda name: Digits)
    assert list(labelled("keras:cifar10", "label").values()) == ["0", "1"] * 4


def test_a_run_with_labels_of_a_table_is_trained_and_resumed(tmp_path):
    folder = save_table(tmp_path / "in", "metadata.csv", ["a", "b"] * 4)
    options = {"image_size": 16, "features": "none", "latent_dim": 8, "preparation": Preparation(labels="label")}
    run = pippin.train(folder, tmp_path / "run", batches=2, **options)
    assert run.labels == ["a", "b"]
    assert pippin.train(folder, tmp_path / "run", batches=2, **options).finished
