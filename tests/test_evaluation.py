"""Scores of real sets of images by the pretrained network, and the results of `evaluate`."""

import dataclasses

import numpy as np
import pytest
import tiny
from PIL import Image, ImageFilter

import pippin
from pippin import measure
from pippin.cli import app
from pippin.errors import NetworkError, SettingsError
from pippin.pictures import prepare, split
from pippin.pictures.sources import built_in


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("evaluation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        return tiny.train(place / "run", batches=2)


@pytest.mark.slow
def test_kid_grows_as_images_get_worse(photos):
    """Two real sets have 0 in their interval. Each kind of damage has a higher KID, and more damage a higher one."""
    images = prepare(photos / "apples", 64).images[np.random.default_rng(0).permutation(1203)[:320]]
    real, references = images[:160], images[160:]
    rng = np.random.default_rng(0)

    def blurred(radius):
        filtered = [Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)) for image in real]
        return measure.extract(np.stack([np.asarray(image) for image in filtered]))

    def with_noise(strength, count=160):
        noise = rng.normal(0, strength, real.shape)[:count]
        return measure.extract(np.clip(real[:count] + noise, 0, 255).astype("uint8"))

    def collapsed(kinds):
        return with_noise(2, kinds)[np.arange(len(real)) % kinds]

    features = measure.extract(references)
    value, (low, high) = measure.kid(measure.extract(real), features)
    assert low < 0 < high
    for worsened, amounts in ((blurred, (1, 3)), (with_noise, (20, 60)), (collapsed, (20, 2))):
        little, much = (measure.kid(worsened(amount), features) for amount in amounts)
        assert high < little[1][0], worsened.__name__
        assert value < little[0] < much[0], worsened.__name__


def test_features_do_not_depend_on_the_other_images_of_a_batch():
    images = tiny.pictures(5)
    together, alone = measure.extract(images), measure.extract(images[3:4])
    assert together.shape == (5, 1280)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together[3], alone[0], rtol=1e-4, atol=1e-5)


def test_an_unknown_network_is_an_error_that_lists_the_known_ones():
    with pytest.raises(NetworkError, match=r"one of .*lite1, inception\. Received: features=vgg"):
        measure.extract(tiny.pictures(2), "vgg")


def test_inception_without_an_internet_connection_says_what_to_do(monkeypatch):
    import keras

    def offline(**_):
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(NetworkError, match=r"cannot be downloaded; .* use efficientnet-lite1\. \(no route to host\)"):
        measure.extract(tiny.pictures(2), "inception")


def test_a_run_is_scored_against_a_folder(run, tmp_path, capsys):
    photos = tiny.save(tmp_path / "photos", tiny.pictures(12, seed=5))
    app(["evaluate", str(run.path), "--against", str(photos), "-n", "8"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 images against 12 reference images, by features of efficientnet-lite1"
    assert [line.split()[0] for line in lines[1:]] == ["KID", "FID", "precision", "recall", "locked", "Colours", "Main"]
    assert pippin.evaluate(run, photos, n=8) == pippin.evaluate(run.path, photos, n=8)


@pytest.mark.slow
def test_a_run_is_scored_against_its_held_out_set_and_shows_the_nearest_pairs(tmp_path, capsys):
    photos = tiny.save(tmp_path / "photos", tiny.pictures(200))
    run = tiny.train(tmp_path / "run", source=photos, batches=2)
    assert (run.about["pictures"], run.about["held_out"]) == (160, 40)
    app(["evaluate", str(run.path), "-n", "16"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("16 images against 40 reference images, by features of efficientnet-lite1; ")
    assert lines[0].endswith("; the references are the held-out set")
    assert lines[-1] == f"Nearest pairs: {run.path / 'nearest.png'}"
    training = np.stack([np.asarray(Image.open(photos / f"{n:03d}.png")) for n in split(200, 0.1)[0]])
    with Image.open(run.path / "nearest.png") as sheet:
        assert sheet.size == (8 * 16 + 7 * 2, 2 * 32 + 2)
        nearest = np.asarray(sheet)[16:32, :16]
    found = pippin.evaluate(run, n=16)
    generated = run.sample(16, 0)[found.memorisation.distances.argmin()]
    np.testing.assert_array_equal(found.pairs[:16, :16], generated)
    assert (nearest == training).all(axis=(1, 2, 3)).sum() == 1


def test_without_held_out_images_the_references_are_the_training_set(tmp_path):
    run = tiny.train(tmp_path / "run", source=tiny.save(tmp_path / "photos", tiny.pictures(12)), batches=2)
    found = pippin.evaluate(run, n=8)
    assert (found.references, found.held_out) == ("training set", 0)
    assert found.lines()[0].endswith("; the references are the training set")
    assert not found.memorisation.held_out


@pytest.mark.slow
def test_two_folders_are_compared(tmp_path):
    one, other = (tiny.save(tmp_path / str(seed), tiny.pictures(9, seed)) for seed in (0, 1))
    same, different = pippin.evaluate(one, one, image_size=16), pippin.evaluate(one, other, image_size=16)
    same, different = same.scores, different.scores
    assert same.fid == pytest.approx(0, abs=1e-3)
    assert (same.precision, same.recall) == (1, 1)
    assert different.fid > same.fid


@pytest.mark.slow
def test_a_run_of_the_built_in_set_is_evaluated_without_naming_it(tmp_path, monkeypatch):
    monkeypatch.setattr(built_in, "BUILT_IN_COUNT", 24)
    monkeypatch.chdir(tmp_path)
    run = tiny.train(tmp_path / "run", source="apples", batches=2)
    (tmp_path / "apples").mkdir()
    assert pippin.evaluate(run, n=8).scores.references == 24


def test_a_run_of_an_array_needs_the_array(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    with pytest.raises(SettingsError, match="The run was trained on an array, which is not on disk; give it again"):
        pippin.evaluate(run, n=8)
    assert pippin.evaluate(run, tiny.pictures(), n=8).references == "training set"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 7}, "n must be from 8 to 4,096. Received: n=7"),
        ({"features": "vgg"}, "efficientnet-lite1, inception. Received: features=vgg"),
        ({"against": None}, "Give a source to compare with (--against)."),
        ({"against": "few"}, "Scores need at least 8 pictures; use more. Received: 3"),
    ],
)
def test_invalid_arguments_are_errors(tmp_path, arguments, message):
    tiny.save(tmp_path / "few", tiny.pictures(3))
    many = tiny.save(tmp_path / "many", tiny.pictures(9))
    arguments = {"against": many, **arguments}
    if arguments["against"] == "few":
        arguments["against"] = tmp_path / "few"
    with pytest.raises(SettingsError) as caught:
        pippin.evaluate(many, image_size=16, **arguments)
    assert message in str(caught.value)


@pytest.fixture(scope="module", params=[1, 2, 3])
def run_with_few_held_out(request, tmp_path_factory):
    """A run of 250 frames of one file, which are kept together in the training set, and of a few photos."""
    place = tmp_path_factory.mktemp("frames")
    photos = tiny.save(place / "photos", tiny.pictures(request.param, seed=1))
    first, *others = (Image.fromarray(image) for image in tiny.pictures(250))
    first.save(photos / "frames.gif", save_all=True, append_images=others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(place / "cache"))
        preparation = pippin.Preparation(frames="all")
        run = tiny.train(place / "run", source=photos, batches=2, preparation=preparation)
        assert (run.about["pictures"], run.about["held_out"]) == (250, request.param)
        yield run


def column_means(images, network):
    """Return features for tests: the mean of each column of pixels, 0 to 1."""
    return images.mean(axis=(1, 3), dtype=np.float64) / 255


@pytest.mark.slow
def test_with_a_few_held_out_images_the_references_are_training_images(run_with_few_held_out, monkeypatch):
    monkeypatch.setattr(measure, "extract", column_means)
    run = run_with_few_held_out
    held_out = run.about["held_out"]
    found = pippin.evaluate(run, n=8)
    assert (found.references, found.held_out, found.scores.references) == ("training set", held_out, 250)
    assert not found.memorisation.held_out
    assert len(found.memorisation.real_distances) == 250
    assert found.lines()[5].startswith(f"Only {held_out} image")
    curated = pippin.curate(run, 2)
    assert "realism score against 250 real" in curated.summary
    (note,) = run.about["notes"]
    assert note.startswith(f"Checkups compare with training images: {held_out} picture")


def test_scores_by_the_discriminators_features_are_reported_as_biased(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "extract", column_means)
    photos = tiny.save(tmp_path / "photos", tiny.pictures(12, seed=5))
    opened = pippin.open_run(run.path)
    monkeypatch.setattr(opened.folder, "settings", dataclasses.replace(run.settings, features="efficientnet-lite0"))
    biased, unbiased = (pippin.evaluate(opened, photos, n=8, features=f"efficientnet-lite{n}") for n in (0, 1))
    text = "The scores are biased: the run was trained with features of efficientnet-lite0 (arXiv 2203.06026)"
    assert text in biased.lines()
    assert (biased.biased, unbiased.biased) == (True, False)
    assert not any("biased" in line for line in unbiased.lines())


def test_the_saved_result_has_the_keys_of_the_format(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "extract", column_means)
    found = pippin.evaluate(run, tiny.pictures(), n=8)
    saved = pippin.open_run(run.path).evaluation()
    assert set(saved) == {"batches", "lines", "references", "flattered", "scores", "colours", "locked", "memorisation"}
    assert saved["lines"] == found.lines()
    assert saved["scores"]["painted"] == 8
    assert set(saved["colours"]) == {"painted", "real"}
    assert saved["memorisation"] == {
        "near": found.memorisation.very_near_share,
        "z": pytest.approx(found.memorisation.z),
    }
