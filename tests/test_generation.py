"""From latents to images: a model alone, and the walks of a run."""

import keras
import numpy as np
import pytest
import tiny

from pippin.errors import SettingsError
from pippin.sampling.generation import fingerprint, generate
from pippin.sampling.latents import latents_of
from pippin.training import draws


def deep():
    """Return a generator whose last digits differ on every engine if the batch size does."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    stack = [layers.Dense(4 * 4 * 64), layers.Reshape((4, 4, 64)), layers.UpSampling2D()]
    convolutions = [layers.Conv2D(64, 3, padding="same", activation="relu") for _ in range(3)]
    return keras.Sequential([keras.Input((32,)), *stack, *convolutions, layers.Conv2D(3, 3, padding="same")])


def test_an_image_does_not_depend_on_the_others_to_the_last_bit(monkeypatch):
    monkeypatch.setattr("pippin.sampling.generation.to_uint8", lambda images: images)
    generator, latents = deep(), latents_of(range(20), 32)
    together = generate(generator, latents)
    for n in (0, 7, 19):
        np.testing.assert_array_equal(generate(generator, latents[n : n + 1])[0], together[n])


def test_generation_reports_its_progress():
    calls = []
    images = generate(tiny.generator(), latents_of(range(40), tiny.LATENT_DIM), lambda *call: calls.append(call))
    assert (images.shape, images.dtype) == ((40, 16, 16, 3), np.uint8)
    assert calls == [(16, 40), (32, 40), (40, 40)]


def test_a_fingerprint_changes_with_the_last_bit_of_a_weight():
    one, other = tiny.generator(), tiny.generator()
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 16
    weights = np.array(other.weights[0])
    weights[0, 0] = np.nextafter(weights[0, 0], np.float32(9))
    other.weights[0].assign(weights)
    assert fingerprint(one) != fingerprint(other)


# -- through a run -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPPIN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return tiny.train(tmp_path_factory.mktemp("runs") / "run", batches=20)


def test_a_walk_begins_with_the_first_seed_and_passes_the_others(run):
    frames = run.walk([4, 2, 9], 5)
    assert (frames.shape, frames.dtype) == ((15, 16, 16, 3), np.uint8)
    keys = run.sample(seeds=[4, 2, 9])
    assert np.abs(frames[::5].astype(int) - keys).max() <= 1
    closing = np.abs(frames[-1].astype(int) - frames[0]).mean()
    assert closing < np.abs(frames[5].astype(int) - frames[0]).mean()


def test_truncation_makes_images_more_alike(run):
    spreads = [run.sample(30, truncation=psi).astype(float).std(axis=0).mean() for psi in (0, 0.5, 1)]
    assert spreads[0] == 0
    assert spreads[0] < spreads[1] < spreads[2]


def test_images_are_generated_from_given_latents(run):
    latents = draws.fixed_latents(0, 64, tiny.LATENT_DIM)
    np.testing.assert_array_equal(run.generate(latents)[:3], run.generate(latents[:3]))


def test_latents_of_another_shape_are_refused(run):
    for call in (run.generate, lambda latents: run.walk([1], latents=latents)):
        with pytest.raises(SettingsError, match=r"latents must have the shape \(N, 4\), N from 1. Received: \(2, 5\)"):
            call(np.zeros((2, 5)))


@pytest.mark.parametrize("value", [True, "3", 1.5, float("nan")])
def test_arguments_of_another_type_are_refused(run, value):
    for call, name in (
        (lambda: run.sample(value), "n"),
        (lambda: run.sample(1, value), "seed"),
        (lambda: run.picture(seeds=[value]), "seed"),
        (lambda: run.walk([1, 2], value), "frames"),
    ):
        with pytest.raises(SettingsError, match=f"^{name} must be an integer. Received: {name}="):
            call()
    if value != 1.5:
        with pytest.raises(SettingsError, match=r"^truncation must be a (finite )?number. Received: truncation="):
            run.sample(1, truncation=value)
