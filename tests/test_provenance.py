"""What a picture file stores about its generation, and generating it again from that."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin import engines
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


@pytest.mark.parametrize("name", FORMATS)
def test_notes_of_every_length_survive(tmp_path, name):
    for note in ("a", "x" * 60_000):
        assert read_note(save_picture(tiny.pictures(1)[0], tmp_path / name, note)) == note
    assert read_note(save_picture(tiny.pictures(1)[0], tmp_path / name)) == ""


def test_a_format_that_holds_no_note_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"must end in one of \.png, \.jpg, \.webp. Received: .*a.bmp"):
        save_picture(tiny.pictures(1)[0], tmp_path / "a.bmp", "note")
    assert save_picture(tiny.pictures(1)[0], tmp_path / "a.bmp").exists()
