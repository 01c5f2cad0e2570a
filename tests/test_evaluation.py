"""Scores of real sets by the pretrained network, and what `evaluate` says to people."""

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
def test_the_worse_a_set_the_worse_its_scores(photos):
    """Real against real is within its interval of 0; blurred, noised and collapsed are far above, and in order."""
    images = prepare(photos / "apples", 64).images[np.random.default_rng(0).permutation(1203)[:480]]
    real, references = images[:240], images[240:]
    rng = np.random.default_rng(0)

    def blurred(radius):
        return np.stack([np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))) for image in real])

    def noised(strength):
        return np.clip(real + rng.normal(0, strength, real.shape), 0, 255).astype("uint8")

    def collapsed(kinds):
        return noised(2)[np.arange(len(real)) % kinds]

    features = measure.extract(references)

    def kid(painted):
        return measure.scores.kid(measure.extract(painted), features)

    value, (low, high) = kid(real)
    assert low < 0 < high
    for worsened, amounts in ((blurred, (1, 3)), (noised, (20, 60)), (collapsed, (20, 2))):
        little, much = (kid(worsened(amount)) for amount in amounts)
        assert high < little[1][0], worsened.__name__
        assert value < little[0] < much[0], worsened.__name__


def test_features_are_the_same_whatever_batch_a_picture_is_in():
    images = tiny.pictures(5)
    together, alone = measure.extract(images), measure.extract(images[3:4])
    assert together.shape == (5, 1280)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together[3], alone[0], rtol=1e-4, atol=1e-5)


def test_an_unknown_network_is_named():
    with pytest.raises(NetworkError, match=r"one of .*lite1, inception\. Received: features=vgg"):
        measure.extract(tiny.pictures(2), "vgg")


def test_inception_without_a_network_says_what_to_do(monkeypatch):
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
    assert lines[0] == "8 pictures against 12, by what efficientnet-lite0 sees in them"
    assert [line.split()[0] for line in lines[1:]] == ["KID", "FID", "precision", "recall", "Colours", "Mostly"]
    assert pippin.evaluate(run, photos, n=8) == pippin.evaluate(run.path, photos, n=8)


def test_a_run_is_scored_against_what_was_held_out_and_shows_its_nearest_pairs(tmp_path, capsys):
    photos = tiny.save(tmp_path / "photos", tiny.pictures(200))
    run = tiny.train(tmp_path / "run", source=photos, batches=2)
    assert (run.about["pictures"], run.about["held_out"]) == (160, 40)
    app(["evaluate", str(run.path), "-n", "16"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("16 pictures against 40, by what ")
    assert lines[0].endswith("; the real ones were held out of training")
    assert lines[-1] == f"The nearest pairs: {run.path / 'nearest.png'}"
    learnt = np.stack([np.asarray(Image.open(photos / f"{n:03d}.png")) for n in split(200, 0.1)[0]])
    with Image.open(run.path / "nearest.png") as sheet:
        assert sheet.size == (8 * 16 + 7 * 2, 2 * 32 + 2)
        nearest = np.asarray(sheet)[16:32, :16]
    found = pippin.evaluate(run, n=16)
    painted = run.sample(16, 0)[found.memorisation.distances.argmin()]
    np.testing.assert_array_equal(found.pairs[:16, :16], painted)
    assert (nearest == learnt).all(axis=(1, 2, 3)).sum() == 1


def test_few_pictures_are_all_learnt_from_and_the_scores_say_so(tmp_path):
    run = tiny.train(tmp_path / "run", source=tiny.save(tmp_path / "photos", tiny.pictures(12)), batches=2)
    found = pippin.evaluate(run, n=8)
    assert found.references == "learnt from"
    assert not found.memorisation.held_out


def test_two_folders_are_compared(tmp_path):
    one, other = (tiny.save(tmp_path / str(seed), tiny.pictures(9, seed)) for seed in (0, 1))
    same, different = pippin.evaluate(one, one, image_size=16), pippin.evaluate(one, other, image_size=16)
    same, different = same.scores, different.scores
    assert same.fid == pytest.approx(0, abs=1e-3)
    assert (same.precision, same.recall) == (1, 1)
    assert different.fid > same.fid


def test_a_run_of_the_built_in_set_finds_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(built_in, "BUILT_IN_COUNT", 24)
    monkeypatch.chdir(tmp_path)
    run = tiny.train(tmp_path / "run", source="apples", batches=2)
    (tmp_path / "apples").mkdir()
    assert pippin.evaluate(run, n=8).scores.references == 24


def test_a_run_of_an_array_has_to_be_given_it_again(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    with pytest.raises(SettingsError, match="The run learnt from an array, which is not on disk; give it again"):
        pippin.evaluate(run, n=8)
    assert pippin.evaluate(run, tiny.pictures(), n=8).references == "learnt from"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 7}, "n must be from 8 to 4,096. Received: n=7"),
        ({"features": "vgg"}, "efficientnet-lite1, inception. Received: features=vgg"),
        ({"against": None}, "Say what to compare the pictures with (--against)."),
        ({"against": "few"}, "Scores need at least 8 pictures. Received: 3"),
    ],
)
def test_what_cannot_be_scored(tmp_path, arguments, message):
    tiny.save(tmp_path / "few", tiny.pictures(3))
    many = tiny.save(tmp_path / "many", tiny.pictures(9))
    arguments = {"against": many, **arguments}
    if arguments["against"] == "few":
        arguments["against"] = tmp_path / "few"
    with pytest.raises(SettingsError) as caught:
        pippin.evaluate(many, image_size=16, **arguments)
    assert message in str(caught.value)
