"""GAN inversion: the latent of a photo."""

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

import pippin
from pippin.errors import SettingsError, SourceError
from pippin.measure import perceptual_distances
from pippin.pictures import Preparation, prepare_one_photo
from pippin.sampling.generation import generate
from pippin.sampling.inversion import RANDOM, STARTS, invert
from pippin.sampling.latents import latents_of
from pippin.training.anchors import Anchors


def wide():
    """Return a generator of smooth images, whose latent can be recovered from an image."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    stack = [layers.Dense(4 * 4 * 3, activation="tanh"), layers.Reshape((4, 4, 3))]
    return keras.Sequential([keras.Input((8,)), *stack, layers.UpSampling2D(4, interpolation="bilinear")])


@pytest.fixture(scope="module")
def generator():
    return wide()


@pytest.fixture(scope="module")
def recovered(generator):
    """Return the inversion of an image that the generator made from a seed that is not among the candidates."""
    return invert(generator, generate(generator, latents_of([1000], 8))[0])


@pytest.mark.slow
def test_the_latent_of_a_generated_image_is_found(recovered):
    assert recovered.pixel_error < 1
    assert recovered.distance < 0.01
    np.testing.assert_allclose(recovered.latent, latents_of([1000], 8)[0], atol=0.05)
    assert recovered.verdict.startswith("Visually the same: perceptual distance 0.00")
    assert "EfficientNet-Lite1" in recovered.verdict


@pytest.mark.slow
def test_the_image_is_generated_from_the_latent(generator, recovered):
    np.testing.assert_array_equal(generate(generator, recovered.latent[None])[0], recovered.image)
    assert recovered.image.shape == recovered.photo.shape == (16, 16, 3)


@pytest.mark.slow
def test_the_trajectory_approaches_the_photo(recovered):
    images = [*recovered.trajectory.values(), recovered.image]
    errors = [np.abs(image.astype(int) - recovered.photo).mean() for image in images]
    assert list(recovered.trajectory) == [0, 10, 50]
    assert errors == sorted(errors, reverse=True)
    assert recovered.sheet().shape[1] == 5 * 128 + 4 * 2


@pytest.mark.slow
def test_an_image_that_cannot_be_generated_is_reported_as_not_found(generator):
    noise = tiny.pictures(1)[0]
    found = invert(generator, noise, steps=2)
    assert found.verdict.startswith(("Not found: ", "Closer than all of 64 random images, but not the same: "))
    assert found.pixel_error > 50
    assert len(found.random_distances) == len(found.random_pixel_errors) == RANDOM
    assert np.linalg.norm(found.latent) <= 8**0.5 + 2 + 1e-5


@pytest.mark.slow
def test_the_optimisation_starts_at_the_anchor_of_the_photo(generator):
    latents = latents_of(range(500, 500 + 2 * STARTS), 8)[:, :5]
    anchors = Anchors(np.arange(len(latents)), latents)
    photo = generate(generator, np.pad(latents[3:4], ((0, 0), (0, 3))))[0]
    calls = []
    found = invert(generator, photo, anchors, steps=1, progress=lambda *call: calls.append(call))
    np.testing.assert_array_equal(found.trajectory[0], photo)
    assert calls[-1] == (len(calls), len(calls))


def test_a_photo_of_another_shape_and_wrong_steps_are_refused(generator):
    with pytest.raises(SettingsError, match=r"must be uint8 16×16×3. Received: uint8 \(8, 8, 3\)"):
        invert(generator, np.zeros((8, 8, 3), np.uint8))
    for steps, message in ((0, "at least 1"), (True, "an integer"), ("3", "an integer"), (1.5, "an integer")):
        with pytest.raises(SettingsError, match=f"steps must be {message}. Received: steps={steps!r}"):
            invert(generator, np.zeros((16, 16, 3), np.uint8), steps=steps)


@pytest.mark.slow
def test_images_that_differ_more_have_larger_perceptual_distances(generator):
    image = generate(generator, latents_of([7], 8))[0]
    brighter = np.clip(image.astype(int) + 20, 0, 255).astype("uint8")
    others = generate(generator, latents_of(range(40, 80), 8))
    distances = perceptual_distances(np.stack([image, brighter, *others, tiny.pictures(1)[0]]), image)
    assert distances.shape == (43,)
    assert distances[0] == pytest.approx(0, abs=1e-9)
    assert 0 < distances[1] < np.median(distances[2:-1]) < distances[-1] < 4
    np.testing.assert_allclose(perceptual_distances(others[-1:], image)[0], distances[-2], rtol=1e-4)


# -- the photo -----------------------------------------------------------------------------------------------------


def test_a_photo_is_prepared_as_a_dataset_is(tmp_path):
    ramp = np.linspace(0, 255, 60, dtype=np.uint8)
    wide = np.stack([np.tile(ramp, (40, 1)), np.tile(ramp[::-1], (40, 1)), np.tile(ramp // 2, (40, 1))], -1)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide[:, ::-1].copy()).save(tmp_path / "turned.png")
    for preparation in (Preparation(), Preparation(fit="pad", background="black"), Preparation(fit="squash")):
        dataset = pippin.pictures.prepare(tmp_path, 16, preparation=preparation)
        alone = prepare_one_photo(tmp_path / "wide.png", 16, preparation)
        np.testing.assert_array_equal(alone, dataset.images[1])
    middle = prepare_one_photo(tmp_path / "wide.png", 16, Preparation(crops=3))
    np.testing.assert_array_equal(middle, prepare_one_photo(tmp_path / "wide.png", 16))


@pytest.mark.parametrize(("name", "message"), [("none.jpg", "there is no such file"), ("text.jpg", "not a picture")])
def test_a_file_that_is_not_a_photo_is_refused(tmp_path, name, message):
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(SourceError, match=f"The photograph cannot be read: {message}. Received: .*{name}"):
        prepare_one_photo(tmp_path / name, 16)
