"""What a picture says about itself, and painting it again from that."""

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
from pippin.runs.provenance import Recipe
from pippin.runs.snapshots import SNAPSHOT_LATENTS
from pippin.show import read_note, save_picture
from pippin.training import draws

FORMATS = ["grid.png", "grid.jpg", "grid.jpeg", "grid.webp", "grid.PNG"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that can go on from batch 60."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train_until(60, tmp_path_factory.mktemp("runs") / "run", batches=80)


def painted(run, path, seeds=(3, 1, 2), **more):
    return Recipe.of(run, list(seeds), **more).save(path, run)


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_holds_its_recipe_and_is_painted_again_to_the_byte(run, tmp_path, name):
    path = painted(run, tmp_path / name, truncation=0.7, labels=True, curated="of ½")
    recipe = Recipe.read(path)
    assert recipe == Recipe.of(run, [3, 1, 2], 0.7, True, "of ½")
    assert (recipe.run, recipe.batches, recipe.seeds) == (str(run.path.resolve()), 60, "3,1-2")
    assert recipe.pippin == pippin.__version__
    made = pippin.again(path)
    assert made.path == path.with_stem("grid-again")
    assert made.path.read_bytes() == path.read_bytes()
    assert (made.same, made.why) == (True, "")


def test_a_picture_of_a_grid_is_painted_again_alone(run, tmp_path):
    images = run.sample(20, seed=5)
    alone = Recipe.of(run, [17]).save(tmp_path / "a.png", run)
    np.testing.assert_array_equal(np.asarray(Image.open(alone)), images[12])
    beside = Recipe.of(run, [17]).save(tmp_path / "b.png", run, images[12:13])
    assert beside.read_bytes() == alone.read_bytes()


def test_another_format_shows_the_same_and_says_why_it_differs(run, tmp_path):
    made = pippin.again(painted(run, tmp_path / "a.png"), tmp_path / "new" / "b.webp")
    assert (made.same, made.why) == (False, "the format was .png")
    first, second = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("a.png", "new/b.webp"))
    np.testing.assert_array_equal(first, second)  # WebP without loss


def test_what_painted_a_picture_paints_it_again(run, tmp_path):
    opened = pippin.open_run(run.path)
    assert opened.backend == "onnxruntime"
    quick = opened.sample(4)
    opened.use_backend("engine")
    assert opened.backend == engines.current().name
    by_engine = opened.sample(4)
    assert np.abs(quick.astype(int) - by_engine).max() <= 1
    path = painted(opened, tmp_path / "a.png")
    assert Recipe.read(path).engine == engines.current().name
    made = pippin.again(path)
    assert (made.same, made.why) == (True, "")


def test_an_engine_paints_where_onnx_runtime_cannot(run, monkeypatch):
    def refuse(trained):
        raise ExportError("the layer is not supported")

    monkeypatch.setattr("pippin.export.onnx_file._convert", refuse)
    opened = pippin.open_run(run.path)
    assert opened.backend == engines.current().name
    assert opened.sample(2).shape == (2, tiny.SIZE, tiny.SIZE, 3)


def test_a_recipe_of_another_engine_is_painted_and_said(run, tmp_path):
    recipe = dataclasses.replace(Recipe.of(run, [1]), engine="abacus", pippin="0.0.1")
    save_picture(recipe.picture(run), tmp_path / "a.png", recipe.to_note())
    assert pippin.again(tmp_path / "a.png").why == "the painter was abacus, Pippin was 0.0.1"


def test_a_run_that_moved_is_found_where_it_is_said_to_be(run, tmp_path):
    moved = pippin.open_run(shutil.copytree(run.path, tmp_path / "old"))
    path = painted(moved, tmp_path / "a.png")
    shutil.move(tmp_path / "old", tmp_path / "new")
    with pytest.raises(RunError, match=r"The run that painted it is not at .*old; say where with --run"):
        pippin.again(path)
    assert pippin.again(path, run=tmp_path / "new").same
    with pytest.raises(RunError, match=r"is not at .*nowhere; there is no run there"):
        pippin.again(path, run=tmp_path / "nowhere")


def test_a_run_that_trained_on_says_so(run, tmp_path):
    going_on = shutil.copytree(run.path, tmp_path / "run")
    path = painted(pippin.open_run(going_on), tmp_path / "a.png")
    tiny.train(going_on, batches=80)
    with pytest.raises(RunError, match=r"trained on since.* painted at batch 60, .*now paints with batch 80, whose w"):
        pippin.again(path)
    assert not (tmp_path / "a-again.png").exists()


def test_another_run_of_as_many_batches_is_not_taken_for_it(run, tmp_path):
    other = tiny.train_until(60, tmp_path / "other", batches=80, seed=9)
    with pytest.raises(RunError, match="another run than the one that painted it: its weights differ"):
        pippin.again(painted(run, tmp_path / "a.png"), run=other.path)


def test_the_first_picture_stays(run, tmp_path):
    path = painted(run, tmp_path / "a.png")
    with pytest.raises(SettingsError, match="Name another file with -o, so that the first one stays"):
        pippin.again(path, path)


def test_pictures_without_a_recipe_are_told_apart(run, tmp_path):
    foreign = save_picture(tiny.pictures(1)[0], tmp_path / "foreign.png")
    noted = save_picture(tiny.pictures(1)[0], tmp_path / "noted.jpg", "my cat")
    newer = json.dumps({**dataclasses.asdict(Recipe.of(run, [1])), "edit": "redder"})
    newer = save_picture(tiny.pictures(1)[0], tmp_path / "newer.png", newer)
    (tmp_path / "text.png").write_text("no picture")
    for path, told in (
        (foreign, "This picture does not say how it was made"),
        (noted, "The picture's recipe is damaged"),
        (newer, "damaged, or of a newer Pippin"),
        (tmp_path / "text.png", "not a picture that Pillow can read"),
        (tmp_path / "nothing.png", "The picture cannot be read: No such file"),
        (tmp_path, "The picture cannot be read: Is a directory"),
    ):
        with pytest.raises(SettingsError, match=told) as caught:
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


# -- walks, through the run ----------------------------------------------------------------------------------------


def test_a_walk_begins_with_the_first_seed_and_passes_the_others(run):
    frames = run.walk([4, 2, 9], 5)
    assert (frames.shape, frames.dtype) == ((15, 16, 16, 3), np.uint8)
    keys = run.sample(seeds=[4, 2, 9])
    assert np.abs(frames[::5].astype(int) - keys).max() <= 1
    closing = np.abs(frames[-1].astype(int) - frames[0]).mean()
    assert closing < np.abs(frames[5].astype(int) - frames[0]).mean()


def test_truncation_draws_pictures_together(run):
    spreads = [run.sample(30, truncation=psi).astype(float).std(axis=0).mean() for psi in (0, 0.5, 1)]
    assert spreads[0] == 0
    assert spreads[0] < spreads[1] < spreads[2]


def test_latents_of_ones_own_are_painted(run):
    latents = draws.fixed_latents(0, SNAPSHOT_LATENTS, tiny.LATENT_DIM)
    np.testing.assert_array_equal(run.generate(latents)[:3], run.generate(latents[:3]))


# -- curation ------------------------------------------------------------------------------------------------------


def seen(images, network):
    """Colours as features: what a network sees, for tests."""
    return images.reshape(len(images), 16, 48).mean(axis=1, dtype=np.float64)


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setattr("pippin.measure.extract", seen)


def test_curating_without_real_pictures_says_why(run, colours):
    told = []
    found = pippin.curate(run, 5, seed=3, progress=lambda *step: told.append(step))
    assert "Curated: of 20 painted, the better half by nearness to others that it paints" in found.how
    assert "since the run learnt from an array, which is not on disk" in found.how
    np.testing.assert_array_equal(found.images, run.sample(seeds=found.seeds))
    assert len(set(found.seeds)) == 5
    assert set(found.seeds) <= set(range(3, 23))
    assert told[-1] == (40, 40)
    assert told == sorted(told)


def test_curating_among_the_pictures_that_it_learnt_from(run, tmp_path, colours):
    folder = tiny.save(tmp_path / "photos", tiny.pictures(40))
    learnt = tiny.train(tmp_path / "run", source=folder, batches=2)
    found = pippin.curate(learnt, 3)
    assert "Curated: of 16 painted, the better half by realism among 40 real ones (arXiv 1904.06991)" in found.how
    assert len(found.seeds) == 3
    (folder / "000.png").unlink()
    assert f"since {folder.resolve()} holds other pictures than it learnt from" in pippin.curate(learnt, 3).how
    shutil.rmtree(folder)
    assert "since what it learnt from is not at hand" in pippin.curate(learnt, 3).how


@pytest.mark.parametrize("n", [0, 1025])
def test_curating_too_few_or_too_many_is_refused(run, n):
    with pytest.raises(SettingsError, match=f"Curate from 1 to 1,024 pictures. Received: n={n}"):
        pippin.curate(run, n)
