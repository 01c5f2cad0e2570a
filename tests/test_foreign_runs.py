"""Runs of someone else: odd and damaged files are refused in one line, and nothing outside the run is touched."""

import json
import os
import random
import shutil
import warnings

import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin.cli.evaluate import _summary
from pippin.errors import PippinError, PippinWarning, RunError
from pippin.runs import state_file
from pippin.runs.checkpoint import BEST, CHECKPOINT, PREVIOUS
from pippin.runs.documents import CheckupEntry, LogEntry
from pippin.runs.report import EventLog, write_page
from pippin.training.anchors import Anchors

FLIPS = int(os.environ.get("PIPPIN_FLIPS", "300"))
"""Number of flipped bits; 10,000 take minutes."""

CHECKUP = {"batches": 4, "kid": 0.1, "diversity": 0.5, "overfitting": 0.2, "rate": 1.0, "augment": 0.0, "findings": []}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a run with every kind of file."""
    folder = tmp_path_factory.mktemp("foreign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(folder / "cache"))
        photos = tiny.save(folder / "photos", tiny.pictures(12))
        run = tiny.train(folder / "run", source=photos, batches=60)
    run.folder.append_checkup(CHECKUP)
    run.folder.save_evaluation({"batches": 60, "lines": ["KID 0.1"], "references": ""}, tiny.pictures(1)[0])
    run.folder.save_anchors(Anchors(np.arange(12), np.ones((12, tiny.LATENT_DIM), np.float32)))
    run.directions()
    run.name_direction(1, "redder")
    write_page(run)
    return run.path


@pytest.fixture(autouse=True)
def without_drawings(monkeypatch):
    """Leave out the curves of the report, which take seconds to draw."""
    monkeypatch.setattr("pippin.runs.report.page.curves", lambda *logs: [])


@pytest.fixture
def path(trained, tmp_path):
    """Return a copy of that run."""
    return shutil.copytree(trained, tmp_path / "run")


VERBS = {
    "info": lambda path: list(_summary(pippin.open_run(path))),
    "sample": lambda path: pippin.open_run(path).sample(2),
    "report": lambda path: (write_page(pippin.open_run(path)), EventLog(pippin.open_run(path)).close()),
    "story": lambda path: list(pippin.open_run(path).film(fps=2, seconds=1)),
    "export": lambda path: pippin.open_run(path).export("keras", path / "exported.keras"),
    "card": lambda path: pippin.open_run(path).export("huggingface", path / "card"),
    "diagram": lambda path: pippin.open_run(path).diagram(),
    "directions": lambda path: pippin.open_run(path).directions(),
    "edit": lambda path: pippin.open_run(path).sample(1, edits={"1": 2}),
    "walk": lambda path: pippin.open_run(path).walk([1, 2], 2),
    "mix": lambda path: pippin.open_run(path).mix([1], [2]),
    "evaluate": lambda path: pippin.evaluate(path, path.parent / "photos", n=8),
    "train --from": lambda path: tiny.train(path.parent / "new", from_run=path, batches=1),
    "find": lambda path: pippin.open_run(path).find(np.zeros((16, 16, 3), np.uint8), steps=1),
    "notebook": lambda path: pippin.open_run(path)._repr_html_(),
    "resume": lambda path: tiny.train(path, source=path.parent / "photos", batches=60),
}
"""What a user does with a run."""


def outcome(verb, path):
    """Return the message with which a verb refuses a run, or None if it works."""
    try:
        VERBS[verb](path)
    except PippinError as problem:
        message = str(problem)
        assert message.splitlines() == [message]
        return message
    return None


def change(path, file, values):
    """Change entries of a JSON file of a run, and remove its checksum; an entry that becomes ... is removed."""
    stored = json.loads((path / file).read_text(encoding="utf-8"))
    stored = {**stored, **values}
    stored = {name: value for name, value in stored.items() if name != "sha256" and value is not ...}
    (path / file).write_text(json.dumps(stored), encoding="utf-8")


# -- odd JSON --------------------------------------------------------------------------------------------------------

SETTINGS = {
    "pictures as text": {"pictures": "12"},
    "pictures that are null": {"pictures": None},
    "versions as a list": {"versions": ["3"]},
    "versions without Keras": {"versions": {"pippin": "1"}},
    "reasons as a list": {"reasons": ["given"]},
    "labels as numbers": {"labels": [1, 2]},
    "200 labels": {"labels": [f"label {n}" for n in range(200)]},
    "channels 99": {"channels": 99},
    "channels x": {"channels": "x"},
    "one channel": {"channels": 1},
    "a preparation as text": {"preparation": "crop"},
    "an unknown option of the preparation": {"preparation": {"blurred": True}},
    "a preparation with a list": {"preparation": {"fit": ["crop"]}},
    "a preparation with a huge number": {"preparation": {"frames": "9" * 5000}},
    "no source": {"source": ...},
    "settings as a list": {"settings": []},
    "another size": {"settings": {"image_size": 32}},
    "a size that is a text": {"settings": {"image_size": "16"}},
    "latents of another length": {"settings": {"latent_dim": 5}},
    "given as a number": {"given": 3},
    "a newer format": {"format": 2},
}


@pytest.mark.parametrize("what", SETTINGS)
def test_odd_settings_are_refused_in_one_line(what, path):
    values = dict(SETTINGS[what])
    if isinstance(values.get("settings"), dict):
        values["settings"] = {**json.loads((path / "settings.json").read_text())["settings"], **values["settings"]}
    change(path, "settings.json", values)
    message = outcome("info", path) or outcome("sample", path)
    assert "settings.json" in message


OTHERS = [
    ("log.jsonl", b"\xff\xfe\n", "info", None),
    ("log.jsonl", b"[1]\n", "info", "line 1"),
    ("log.jsonl", b'{"batches": "x"}\n', "report", "batches"),
    ("log.jsonl", b'{"batches": 1, "d_loss": "low", "g_loss": 1}\n', "report", "d_loss"),
    ("checkups.jsonl", b'{"batches": 1, "kid": 0.1, "diversity": 1}\n', "report", "findings"),
    ("checkups.jsonl", b'{"batches": 1, "kid": "low", "diversity": 1, "findings": []}\n', "report", "kid"),
    ("directions.json", b'{"weights": "0", "names": {}, "vectors": [[1, 2], [3]]}', "directions", "vectors"),
    ("directions.json", b'{"weights": "0", "names": {}, "vectors": [[1, 2]]}', "directions", "vectors of 2 numbers"),
    ("directions.json", b'{"weights": "0", "names": {"a": 9}, "vectors": [[1, 2]]}', "edit", "direction 9"),
    ("directions.json", b'{"weights": "0", "names": {"\\u001b[31m": 1}, "vectors": [[1, 2]]}', "edit", "NUMBER=NAME"),
    ("directions.json", b'{"weights": "0", "names": {}, "vectors": [[1e400, 2]]}', "edit", "finite"),
    ("evaluation.json", b'{"lines": "KID 1"}', "report", "lines"),
    ("evaluation.json", b"[]", "card", "list"),
    ("pictures.json", b'{"kept": "12", "mended": 0, "refused": 0}', "card", "kept"),
    ("pictures.json", b"{}", "card", "kept"),
    ("pictures.json", b"[" * 100_000, "card", "recursion"),
    ("latest.png", b"no picture", "report", "latest.png"),
    ("pictures/batch-000050.png", b"", "story", "batch-000050.png"),
    ("anchors.npz", b"PK", "find", "anchors.npz"),
]


@pytest.mark.parametrize(("file", "contents", "verb", "entry"), OTHERS)
def test_odd_contents_of_the_other_files_are_refused_with_the_file_and_the_entry(file, contents, verb, entry, path):
    (path / file).write_bytes(contents)
    message = outcome(verb, path)
    if entry is None:
        assert message is None
    else:
        assert os.path.basename(file) in message
        assert entry in message


@pytest.mark.parametrize("file", ["settings.json", "generator.json", CHECKPOINT])
@pytest.mark.parametrize("left", [0, 40, -20])
@pytest.mark.parametrize("verb", ["mix", "evaluate", "train --from"])
def test_truncated_files_of_a_run_that_another_verb_opens_are_refused_by_name(verb, left, file, path, monkeypatch):
    monkeypatch.setattr("pippin.measure.extract", lambda images, network: images.reshape(len(images), -1) / 255.0)
    tiny.save(path.parent / "photos", tiny.pictures(12))
    (path / PREVIOUS).unlink()
    contents = (path / file).read_bytes()
    (path / file).write_bytes(contents[:left])
    message = outcome(verb, path)
    assert file in message
    assert not (path.parent / "new" / "settings.json").exists()


def test_snapshots_of_another_size_say_so_and_do_not_blame_the_video(path):
    Image.new("RGB", (100, 90)).save(path / "pictures" / "batch-000050.png")
    assert outcome("story", path).startswith("batch-000050.png has 100×90 pixels, and the snapshots of this run have ")
    assert outcome("report", path) is None or "batch-000050.png" in outcome("report", path)


def test_a_run_without_snapshots_has_no_story(path):
    shutil.rmtree(path / "pictures")
    assert "The run has no snapshots yet" in outcome("story", path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("verb", ["sample", "find", "export", "directions", "walk"])
def test_weights_that_are_not_finite_are_refused(value, verb, path):
    from pippin.runs.checkpoint import CHECKPOINT
    from pippin.runs.state_file import read_arrays, read_metadata, save_state

    arrays, metadata = read_arrays(path / CHECKPOINT), read_metadata(path / CHECKPOINT)
    name = next(name for name in arrays if name.startswith("ema_generator/weights/"))
    arrays[name] = np.full_like(arrays[name], value)
    for file in path.glob("*.safetensors"):
        file.unlink()
    save_state(path / CHECKPOINT, arrays, metadata)
    (path / "directions.json").unlink()
    assert "not finite" in outcome(verb, path)


# -- links -----------------------------------------------------------------------------------------------------------


def files_of(folder):
    """Return the paths of all files and folders in a folder, relative to it."""
    return sorted(str(found.relative_to(folder)) for found in folder.rglob("*"))


def snapshot_of(folder):
    """Return path → contents of all files in a folder."""
    return {found: found.read_bytes() for found in sorted(folder.rglob("*")) if found.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_nothing_outside_a_run_is_read_or_written_through_any_of_its_links(path, tmp_path):
    outside = tmp_path / "outside"
    for name in files_of(path):
        shutil.rmtree(outside, ignore_errors=True)
        shutil.copytree(path, outside)
        linked = shutil.copytree(path, tmp_path / "linked")
        target = linked / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        target.symlink_to(outside / name)
        before = snapshot_of(outside)
        for verb in ("info", "report", "story", "directions"):
            outcome(verb, linked)
        pages = (linked / "report.html").is_symlink() or (linked / "report.html").read_text(encoding="utf-8")
        assert snapshot_of(outside) == before, name
        assert pages
        shutil.rmtree(linked)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("settings.json", "info"),
        ("log.jsonl", "info"),
        ("checkups.jsonl", "report"),
        ("evaluation.json", "report"),
        ("latest.png", "report"),
        ("timeline.png", "report"),
        ("nearest.png", "report"),
        ("tensorboard", "report"),
        ("pictures", "story"),
        ("pictures/batch-000050.png", "story"),
        ("directions.json", "directions"),
        ("generator.json", "sample"),
        ("discriminator.json", "diagram"),
        ("checkpoint.safetensors", "sample"),
        ("anchors.npz", "find"),
        ("pictures.json", "card"),
    ],
)
@pytest.mark.parametrize("kind", ["link", "named pipe"])
def test_a_link_or_a_named_pipe_inside_a_run_is_refused(name, verb, kind, path, trained):
    if (path / name).is_dir():
        shutil.rmtree(path / name)
    else:
        (path / name).unlink()
    if kind == "link":
        (path / name).symlink_to(trained / name)
    else:
        os.mkfifo(path / name)
    message = outcome(verb, path)
    assert os.path.basename(name) in message
    assert ("is a link" if kind == "link" else "is not a regular file") in message


@pytest.mark.parametrize("name", ["report.part", "directions.part", "evaluation.part", "nearest.part"])
def test_temporary_files_are_written_through_no_link(name, path, tmp_path):
    (tmp_path / "mine").write_text("of the user")
    (path / name).symlink_to(tmp_path / "mine")
    outcome("report", path)
    outcome("directions", path)
    assert (tmp_path / "mine").read_text() == "of the user"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_to_the_whole_run_is_opened(path, tmp_path):
    (tmp_path / "elsewhere").symlink_to(path)
    assert outcome("report", tmp_path / "elsewhere") is None


# -- flipped bits ----------------------------------------------------------------------------------------------------


def weights(path):
    """Return the weights that a run generates images with; there is a warning if another state than the best has
    them."""
    return pippin.open_run(path).folder.load_network("ema_generator").get_weights()


def entries(read):
    """Return a reader of a log whose result may lack lines. A flipped bit in the key of a checksum adds an entry."""

    def known(path):
        found = read(pippin.open_run(path).folder)
        names = {"batches", "images_seen", "seconds", "finite", *LogEntry.model_fields, *CheckupEntry.model_fields}
        return {json.dumps({name: value for name, value in each.items() if name in names}) for each in found}

    return known


READERS = {
    "settings.json": lambda path: pippin.open_run(path).about,
    "pictures.json": lambda path: (
        pippin.open_run(path).folder.audit_summary(),
        list(pippin.open_run(path).folder.audit_entries()),
    ),
    "generator.json": weights,
    "discriminator.json": lambda path: pippin.open_run(path).folder.load_network("discriminator").get_weights(),
    BEST: weights,
    CHECKPOINT: lambda path: state_file.read_arrays(path / CHECKPOINT),
    PREVIOUS: lambda path: state_file.read_arrays(path / PREVIOUS),
    "log.jsonl": entries(lambda folder: folder.log()),
    "checkups.jsonl": entries(lambda folder: folder.checkups()),
    "directions.json": lambda path: pippin.open_run(path).folder.load_directions().to_dict(),
    "evaluation.json": lambda path: pippin.open_run(path).evaluation(),
    "anchors.npz": lambda path: pippin.open_run(path).folder.load_anchors(),
    "pictures/batch-000000.png": lambda path: pippin.open_run(path).snapshots(),
}
"""File → what Pippin reads from it."""

SLOW = {"generator.json", "discriminator.json", BEST}
"""Files whose readers build a network; they get fewer flips."""


def same(found, expected):
    """Return whether two results are equal: no value of the result is wrong, and only lines of a log may be missing."""
    if isinstance(expected, set):
        return found <= expected
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(name in found and same(found[name], value) for name, value in expected.items())
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return np.array_equal(found, expected) if isinstance(expected, np.ndarray) else found == expected


def test_a_flipped_bit_is_noticed_or_harmless(path):
    best = {"batches": 60, "kid": 0.1, "network": "efficientnet-lite1"}
    state_file.save_state(path / BEST, state_file.read_arrays(path / CHECKPOINT), best)
    rng = random.Random(0)
    expected = {file: read(path) for file, read in READERS.items()}
    shares = [1 if file in SLOW else 4 for file in READERS]
    wrong = []
    for _ in range(FLIPS):
        (file,) = rng.choices(list(READERS), shares)
        intact = (path / file).read_bytes()
        changed = bytearray(intact)
        place, bit = rng.randrange(len(changed)), rng.randrange(8)
        changed[place] ^= 1 << bit
        (path / file).write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PippinWarning)
                found = READERS[file](path)
        except PippinWarning:
            pass  # an earlier checkpoint is used, and the user is told
        except RunError as problem:
            if len(str(problem).splitlines()) != 1:
                wrong.append((file, place, bit))
        else:
            if not same(found, expected[file]):
                wrong.append((file, place, bit))
        finally:
            (path / file).write_bytes(intact)
    assert wrong == []
