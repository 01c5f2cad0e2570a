"""What a picture file stores about its generation, and generating it again from that."""

import dataclasses
import json
import shutil
import zlib

import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin import engines
from pippin.cli.sample import _latents_from, _sample_from
from pippin.errors import ExportError, RunError, SettingsError
from pippin.runs.provenance import Provenance
from pippin.show import read_note, save_picture

OLD_NOTE = (
    '{"run": "/runs/apples", "batches": 60, "weights": "0123456789abcdef", "seeds": "3,1-2", "truncation": 0.7, '
    '"labels": true, "curated": "of \\u00bd", "edits": "2=+1.5,3=-2", "latents": "", "fine": "7,9-10", "side": 8, '
    '"engine": "onnxruntime", "keras": "3.12.0", "pippin": "0.1.0", "label": "star"}'
)
OLD_NOTE_WITH_LATENTS = (
    '{"run": "/runs/apples", "batches": 60, "weights": "0123456789abcdef", "seeds": "", "truncation": 1.0, '
    '"labels": false, "curated": "", "edits": "", "latents": "AACAPwAAAMAAAIA+", "fine": "", "side": 0, '
    '"engine": "jax", "keras": "3.12.0", "pippin": "0.1.0", "label": ""}'
)
"""As the first version wrote them into picture files."""


def test_an_old_note_is_read_as_values_and_written_as_it_was():
    provenance = Provenance.from_note(OLD_NOTE)
    assert (provenance.run, provenance.batches, provenance.weights) == ("/runs/apples", 60, "0123456789abcdef")
    assert (provenance.seeds, provenance.fine, provenance.side) == ((3, 1, 2), (7, 9, 10), 8)
    assert (provenance.truncation, provenance.labels, provenance.curated) == (0.7, True, "of ½")
    assert (provenance.edits, provenance.latents, provenance.label) == ({2: 1.5, 3: -2.0}, None, "star")
    assert (provenance.engine, provenance.keras, provenance.pippin) == ("onnxruntime", "3.12.0", "0.1.0")
    assert provenance.to_note() == OLD_NOTE


def test_an_old_note_with_latents_is_read_as_values_and_written_as_it_was():
    provenance = Provenance.from_note(OLD_NOTE_WITH_LATENTS)
    np.testing.assert_array_equal(provenance.latents, np.float32([1, -2, 0.25]))
    assert (provenance.seeds, provenance.fine, provenance.edits) == ((), (), {})
    assert (provenance.side, provenance.label) == (None, None)
    assert provenance.to_note() == OLD_NOTE_WITH_LATENTS


def test_notes_with_fewer_fields_are_understood():
    provenance = Provenance.from_note('{"run": "r", "batches": 60, "weights": "0", "seeds": "5"}')
    assert provenance == Provenance("r", 60, "0", (5,))
    assert provenance != Provenance("r", 60, "0", (6,))


FORMATS = ["grid.png", "grid.jpg", "grid.jpeg", "grid.webp", "grid.PNG"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run that can resume at batch 60."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train_until(60, tmp_path_factory.mktemp("runs") / "run", batches=80)


@pytest.fixture(autouse=True)
def current_folder(tmp_path_factory, monkeypatch):
    """Make the folder of all runs of this test session the current one."""
    monkeypatch.chdir(tmp_path_factory.getbasetemp())


def save(run, path, seeds=(3, 1, 2), **more):
    return Provenance.of(run, list(seeds), **more).save(path, run)


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_stores_its_provenance_and_is_generated_again_to_the_byte(run, tmp_path, name):
    path = save(run, tmp_path / name, truncation=0.7, labels=True, curated="of ½")
    provenance = Provenance.read(path)
    assert provenance == Provenance.of(run, [3, 1, 2], 0.7, True, "of ½")
    assert (provenance.run, provenance.batches, provenance.seeds) == (str(run.path.resolve()), 60, (3, 1, 2))
    assert provenance.pippin == pippin.__version__
    result = pippin.again(path)
    assert result.path == path.with_stem("grid-again")
    assert result.path.read_bytes() == path.read_bytes()
    assert (result.same, result.differences) == (True, "")


def test_an_image_of_a_grid_is_generated_alone(run, tmp_path):
    images = run.sample(20, seed=5)
    alone = Provenance.of(run, [17]).save(tmp_path / "a.png", run)
    np.testing.assert_array_equal(np.asarray(Image.open(alone)), images[12])
    beside = Provenance.of(run, [17]).save(tmp_path / "b.png", run, images[12:13])
    assert beside.read_bytes() == alone.read_bytes()


def test_another_format_has_the_same_pixels_and_is_named_as_the_difference(run, tmp_path):
    result = pippin.again(save(run, tmp_path / "a.png"), tmp_path / "new" / "b.webp")
    assert (result.same, result.differences) == (False, "the format was .png")
    first, second = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("a.png", "new/b.webp"))
    np.testing.assert_array_equal(first, second)  # WebP without loss


def test_a_picture_is_generated_again_by_the_same_backend(run, tmp_path):
    opened = pippin.open_run(run.path)
    assert opened.backend == "onnxruntime"
    by_onnx_runtime = opened.sample(4)
    opened.use_backend("engine")
    assert opened.backend == engines.current().name
    by_engine = opened.sample(4)
    assert np.abs(by_onnx_runtime.astype(int) - by_engine).max() <= 1
    path = save(opened, tmp_path / "a.png")
    assert Provenance.read(path).engine == engines.current().name
    result = pippin.again(path)
    assert (result.same, result.differences) == (True, "")


def test_the_engine_is_the_backend_if_onnx_runtime_cannot_run_the_generator(run, monkeypatch):
    def refuse(trained):
        raise ExportError("the layer is not supported")

    monkeypatch.setattr("pippin.export.onnx_file._convert", refuse)
    opened = pippin.open_run(run.path)
    assert opened.backend == engines.current().name
    assert opened.sample(2).shape == (2, tiny.SIZE, tiny.SIZE, 3)


def test_another_backend_and_version_are_named_as_differences(run, tmp_path):
    provenance = dataclasses.replace(Provenance.of(run, [1]), engine="abacus", pippin="0.0.1")
    save_picture(provenance.render(run), tmp_path / "a.png", provenance.to_note())
    assert pippin.again(tmp_path / "a.png").differences == "the image backend was abacus, Pippin was 0.0.1"


def test_a_moved_run_is_found_where_the_user_says(run, tmp_path):
    moved = pippin.open_run(shutil.copytree(run.path, tmp_path / "old"))
    path = save(moved, tmp_path / "a.png")
    shutil.move(tmp_path / "old", tmp_path / "new")
    with pytest.raises(RunError, match=r"run that generated the picture is not at .*old; say where it is with --run"):
        pippin.again(path)
    assert pippin.again(path, run=tmp_path / "new").same
    with pytest.raises(RunError, match=r"is not at .*nowhere; there is no run there"):
        pippin.again(path, run=tmp_path / "nowhere")


def test_a_run_that_was_trained_further_is_refused(run, tmp_path):
    resumed = shutil.copytree(run.path, tmp_path / "run")
    path = save(pippin.open_run(resumed), tmp_path / "a.png")
    tiny.train(resumed, batches=80)
    with pytest.raises(RunError, match=r"trained further.* at batch 60, .*now of batch 80, with other weights"):
        pippin.again(path)
    assert not (tmp_path / "a-again.png").exists()


def test_another_run_of_the_same_batch_is_refused(run, tmp_path):
    other = tiny.train_until(60, tmp_path / "other", batches=80, seed=9)
    with pytest.raises(RunError, match="not the run that generated the picture: its weights differ"):
        pippin.again(save(run, tmp_path / "a.png"), run=other.path)


def test_the_picture_itself_is_not_overwritten(run, tmp_path):
    path = save(run, tmp_path / "a.png")
    with pytest.raises(SettingsError, match="would replace the picture; name another file with -o"):
        pippin.again(path, path)


def test_pictures_without_a_valid_provenance_are_refused(run, tmp_path):
    foreign = save_picture(tiny.pictures(1)[0], tmp_path / "foreign.png")
    noted = save_picture(tiny.pictures(1)[0], tmp_path / "noted.jpg", "my cat")
    newer = json.dumps({**json.loads(OLD_NOTE), "blur": 2})
    newer = save_picture(tiny.pictures(1)[0], tmp_path / "newer.png", newer)
    (tmp_path / "text.png").write_text("no picture")
    for path, message in (
        (foreign, "This picture does not say how Pippin generated it"),
        (noted, "The provenance in the picture is damaged"),
        (newer, "damaged, or of a newer Pippin"),
        (tmp_path / "text.png", "not a picture that Pillow can read"),
        (tmp_path / "nothing.png", "The picture cannot be read: No such file"),
        (tmp_path, "The picture cannot be read: Is a directory"),
    ):
        with pytest.raises(SettingsError, match=message) as caught:
            pippin.again(path)
        assert f"Received: {path}" in str(caught.value)


def test_a_run_outside_the_current_folder_is_opened_only_if_the_user_names_it(run, tmp_path, monkeypatch):
    path = save(run, tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"a run outside the current folder, .* name it with --run\. Received: .*run"):
        pippin.again(path)
    (tmp_path / "link").symlink_to(run.path)
    linked = with_note(tmp_path / "b.png", run=str(tmp_path / "link"))
    with pytest.raises(RunError, match="a run outside the current folder"):
        pippin.again(linked)
    assert pippin.again(path, run=run.path).same


def test_another_generator_is_refused_before_its_network_is_built(run, tmp_path, monkeypatch):
    path = save(run, tmp_path / "a.png")
    copied = shutil.copytree(run.path, tmp_path / "run")
    network = json.loads((copied / "generator.json").read_text(encoding="utf-8"))
    tiny.forge(copied, generator={**network, "more": 1})
    built = []
    monkeypatch.setattr("pippin.runs.folder.read_network", lambda *args: built.append(args))
    with pytest.raises(RunError, match="not the run that generated the picture"):
        pippin.again(path, run=copied)
    assert built == []


def with_note(path, **values):
    """Write a picture with an old note and other values in it, and return its path."""
    return save_picture(tiny.pictures(1)[0], path, json.dumps({**json.loads(OLD_NOTE), **values}))


ODD_NOTES = {
    "a run that is a number": {"run": 7},
    "no run": {"run": None},
    "seeds as a list": {"seeds": [1, 2]},
    "a seed of 5,000 digits": {"seeds": "9" * 5000},
    "a seed of 4,000 digits": {"seeds": "9" * 4000},
    "a range without an end": {"seeds": "5-"},
    "more than 100,000 seeds": {"seeds": "0-100000"},
    "a negative seed": {"seeds": "-5"},
    "a truncation in words": {"truncation": "much"},
    "a truncation of 10": {"truncation": 10},
    "a truncation that is no number": {"truncation": float("nan")},
    "edits as a dict": {"edits": {"1": 2}},
    "an edit of a direction of 5,000 digits": {"edits": "9" * 5000 + "=1"},
    "an edit without a number": {"edits": "redder=1"},
    "an edit that is no number": {"edits": "1=nan"},
    "latents as numbers": {"seeds": "", "fine": "", "labels": False, "latents": [1.0]},
    "latents that are no base64": {"seeds": "", "fine": "", "labels": False, "latents": "*"},
    "latents of half a number": {"seeds": "", "fine": "", "labels": False, "latents": "AAA="},
    "latents that are not finite": {"seeds": "", "fine": "", "labels": False, "latents": "AADAfw=="},
    "latents with labels": {"seeds": "", "fine": "", "labels": True, "latents": "AACAPw=="},
    "latents and seeds": {"latents": "AACAPw=="},
    "neither latents nor seeds": {"seeds": "", "fine": ""},
    "batches in words": {"batches": "many"},
    "batches below 0": {"batches": -1},
    "a side that is a list": {"side": [8]},
    "labels in words": {"labels": "yes"},
    "an engine that is a number": {"engine": 3},
    "a label that is a list": {"label": ["star"]},
}


@pytest.mark.parametrize("what", ODD_NOTES)
def test_a_note_with_another_value_is_refused_in_one_line(what, tmp_path):
    path = with_note(tmp_path / "a.png", **ODD_NOTES[what])
    with pytest.raises(SettingsError, match="The provenance in the picture is damaged") as caught:
        pippin.again(path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["x" * 3000, "/".join(["x"] * 2000), "a\0b", "\x1b[31m", "/", "..", ""])
def test_a_run_with_a_name_that_no_run_has_is_refused_in_one_line(name, tmp_path):
    path = with_note(tmp_path / "a.png", run=name)
    with pytest.raises((RunError, SettingsError)) as caught:
        pippin.again(path)
    assert caught.type in (RunError, SettingsError)


def test_a_picture_of_3_6_gigapixels_is_refused_in_one_line(tmp_path):
    path = with_note(tmp_path / "a.png")
    content = bytearray(path.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # the width and height of the header
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"The picture cannot be read: .*pixels"):
        pippin.again(path)


def test_more_images_than_the_limit_are_generated_only_if_the_user_allows_it(run, tmp_path):
    path = save(run, tmp_path / "a.png", range(1025))
    with pytest.raises(SettingsError, match=r"1,025 images, and at most 1,024 .* allow more with --max-images\."):
        pippin.again(path)
    assert pippin.again(path, max_images=1025).same
    mixed = with_note(tmp_path / "b.png", run=str(run.path), seeds="0-99", fine="0-99", label="")
    with pytest.raises(SettingsError, match=r"consists of 10,200 images"):
        pippin.again(mixed)


@pytest.mark.parametrize("use", [_sample_from, lambda run, path, *_: _latents_from(pippin.open_run(run), [path])])
def test_a_picture_of_many_images_is_not_continued_from_without_asking(run, tmp_path, use):
    path = save(run, tmp_path / "a.png", range(1025))
    with pytest.raises(SettingsError, match=r"1,025 images, .* give the seeds with --seeds instead"):
        use(run.path, path, {}, tmp_path / "b.png")


@pytest.mark.parametrize("name", FORMATS)
def test_notes_of_every_length_survive(tmp_path, name):
    for note in ("a", "x" * 60_000):
        assert read_note(save_picture(tiny.pictures(1)[0], tmp_path / name, note)) == note
    assert read_note(save_picture(tiny.pictures(1)[0], tmp_path / name)) == ""


def test_a_format_that_holds_no_note_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"must end in one of \.png, \.jpg, \.webp. Received: .*a.bmp"):
        save_picture(tiny.pictures(1)[0], tmp_path / "a.bmp", "note")
    assert save_picture(tiny.pictures(1)[0], tmp_path / "a.bmp").exists()
