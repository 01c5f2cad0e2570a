"""Choosing the best of many generated images of a run."""

import shutil

import numpy as np
import pytest
import tiny

import pippin
from pippin.errors import SettingsError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run that was trained on an array. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train(tmp_path_factory.mktemp("runs") / "run", batches=20)


def colour_features(images, network):
    """Return mean colours of parts of images, in place of a network's features."""
    return images.reshape(len(images), 16, 48).mean(axis=1, dtype=np.float64)


@pytest.fixture
def colours(monkeypatch):
    monkeypatch.setattr("pippin.measure.extract", colour_features)


def test_curation_without_real_images_says_why(run, colours):
    calls = []
    curated = pippin.curate(run, 5, seed=3, progress=lambda *call: calls.append(call))
    assert curated.summary == (
        "Curated: of 20 generated images, the half nearest to other generated images (since the run was trained on an "
        "array, which is not on disk), and of these the 5 that differ most"
    )
    np.testing.assert_array_equal(curated.images, run.sample(seeds=curated.seeds))
    assert len(set(curated.seeds)) == 5
    assert set(curated.seeds) <= set(range(3, 23))
    assert calls[-1] == (40, 40)
    assert calls == sorted(calls)


def test_curation_compares_with_the_training_images(run, tmp_path, colours):
    folder = tiny.save(tmp_path / "photos", tiny.pictures(40))
    trained = tiny.train(tmp_path / "run", source=folder, batches=2)
    curated = pippin.curate(trained, 3)
    assert "the half with the higher realism score against 40 real images (arXiv 1904.06991)" in curated.summary
    assert len(curated.seeds) == 3
    (folder / "000.png").unlink()
    reason = f"(since {folder.resolve()} holds other pictures than the run was trained on)"
    assert reason in pippin.curate(trained, 3).summary
    shutil.rmtree(folder)
    assert f"(since the training images are not available ({folder.resolve()}))" in pippin.curate(trained, 3).summary


def test_copies_of_training_images_are_excluded(run, tmp_path, colours, monkeypatch):
    """Feature vectors of the first four images equal those of training images; the others are far from all of them."""
    trained = tiny.train(tmp_path / "run", source=tiny.save(tmp_path / "photos", tiny.pictures(40)), batches=2)
    real = np.random.default_rng(0).standard_normal((40, 6))
    parts = iter([np.concatenate([real[:4], real[4:16] + 100]), real, np.zeros((0, 6))])
    monkeypatch.setattr("pippin.runs.curation._extract", lambda images, total: next(parts))
    curated = pippin.curate(trained, 3)
    assert not set(curated.seeds) & {0, 1, 2, 3}
    assert curated.summary.endswith("; 4 very near to training images were excluded")


@pytest.mark.parametrize("n", [0, 1025])
def test_too_few_or_too_many_images_are_refused(run, n):
    with pytest.raises(SettingsError, match=f"n must be from 1 to 1024. Received: n={n}"):
        pippin.curate(run, n)


@pytest.mark.parametrize("n", [True, "3", 1.5])
def test_a_number_of_another_type_is_refused(run, n):
    with pytest.raises(SettingsError, match=r"n must be an integer. Received: n="):
        pippin.curate(run, n)
