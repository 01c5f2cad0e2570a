"""The share of fine detail that is locked to a place."""

import numpy as np
import pytest

from pippin import errors, measure
from pippin.measure.repetition import fine_detail


def noise(count, seed=0, side=16):
    return np.random.default_rng(seed).integers(60, 196, (count, side, side, 3)).astype("uint8")


def test_copies_of_one_image_are_locked_completely():
    assert measure.locked(np.repeat(noise(1), 5, axis=0)) == pytest.approx(1)


@pytest.mark.parametrize("count", [10, 100])
def test_independent_images_share_nothing_whatever_their_number(count):
    assert measure.locked(noise(count)) < 0.002  # a biased estimate would have 1 / count


def test_a_stamp_has_its_share_of_the_variance():
    images = noise(400).astype("float64")
    stamp = np.where(np.indices((16, 16)).sum(axis=0) % 2, 30.0, -30.0)[..., None]
    variance = fine_detail(images).var(axis=0).mean()
    expected = 30**2 / (30**2 + variance)
    assert measure.locked((images + stamp).astype("uint8")) == pytest.approx(expected, abs=0.01)


def test_a_common_composition_does_not_count():
    light = np.repeat(np.repeat([[0, 60], [20, 0]], 8, axis=0), 8, axis=1)[..., None]
    images = noise(200)
    assert measure.locked((images + light).astype("uint8")) == pytest.approx(measure.locked(images), abs=1e-3)


def test_images_without_detail_have_none():
    assert measure.locked(np.full((4, 16, 16, 3), 90, "uint8")) == 0


def test_grey_and_transparent_images_are_measured_as_rgb():
    grey = noise(6)[..., :1]
    opaque = np.concatenate([np.repeat(grey, 3, axis=3), np.full((6, 16, 16, 1), 255, "uint8")], axis=3)
    assert measure.locked(grey) == pytest.approx(measure.locked(opaque)) == measure.locked(np.repeat(grey, 3, axis=3))


def test_the_result_does_not_depend_on_the_chunks(monkeypatch):
    images = np.concatenate([noise(5), noise(1).repeat(6, axis=0)])
    whole = measure.locked(images)
    monkeypatch.setattr("pippin.measure.repetition._CHUNK", 4)
    assert measure.locked(images) == pytest.approx(whole, rel=1e-9)


def test_one_image_is_too_few():
    with pytest.raises(
        errors.SettingsError, match=r"Locked detail needs at least 2 images; use more\. Received: images=1"
    ):
        measure.locked(noise(1))
