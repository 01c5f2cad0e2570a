"""Looking for the latent of a photograph."""

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
from pippin.sampling.inversion import RANDOM, STARTS, find
from pippin.sampling.latents import latents_of
from pippin.training.anchors import Anchors


def wide():
    """A generator of smooth pictures: a latent has one number for each of its colours and shapes."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    stack = [layers.Dense(4 * 4 * 3, activation="tanh"), layers.Reshape((4, 4, 3))]
    return keras.Sequential([keras.Input((8,)), *stack, layers.UpSampling2D(4, interpolation="bilinear")])


@pytest.fixture(scope="module")
def generator():
    return wide()


@pytest.fixture(scope="module")
def recovered(generator):
    """What is found of a picture that the generator itself painted from a seed that is no candidate."""
    return find(generator, generate(generator, latents_of([1000], 8))[0])


@pytest.mark.slow
def test_a_generated_pictures_own_latent_is_found(recovered):
    assert recovered.pixel_error < 1
    assert recovered.distance < 0.01
    np.testing.assert_allclose(recovered.latent, latents_of([1000], 8)[0], atol=0.05)
    assert recovered.verdict.startswith("The same to the eye: perceptual distance 0.00")
    assert "EfficientNet-Lite1" in recovered.verdict


@pytest.mark.slow
def test_the_found_picture_is_painted_from_the_found_latent(generator, recovered):
    np.testing.assert_array_equal(generate(generator, recovered.latent[None])[0], recovered.image)
    assert recovered.image.shape == recovered.photo.shape == (16, 16, 3)


@pytest.mark.slow
def test_the_way_comes_nearer(recovered):
    errors = [
        np.abs(image.astype(int) - recovered.photo).mean() for image in (*recovered.way.values(), recovered.image)
    ]
    assert list(recovered.way) == [0, 10, 50]
    assert errors == sorted(errors, reverse=True)
    assert recovered.sheet().shape[1] == 5 * 128 + 4 * 2


@pytest.mark.slow
def test_a_picture_that_nothing_paints_is_said_to_be_none_of_its(generator):
    noise = tiny.pictures(1)[0]
    found = find(generator, noise, steps=2)
    assert not found.verdict.startswith("The same")
    assert found.pixel_error > 50
    assert len(found.random_distances) == len(found.random_pixel_errors) == RANDOM
    assert np.linalg.norm(found.latent) <= 8**0.5 + 2 + 1e-5


@pytest.mark.slow
def test_the_search_begins_at_the_anchor_of_that_picture(generator):
    latents = latents_of(range(500, 500 + 2 * STARTS), 8)[:, :5]
    anchors = Anchors(np.arange(len(latents)), latents)
    photo = generate(generator, np.pad(latents[3:4], ((0, 0), (0, 3))))[0]
    told = []
    found = find(generator, photo, anchors, steps=1, progress=lambda *step: told.append(step))
    np.testing.assert_array_equal(found.way[0], photo)
    assert told[-1] == (len(told), len(told))


def test_what_cannot_be_looked_for_is_refused(generator):
    with pytest.raises(SettingsError, match=r"must be uint8 16×16×3. Received: uint8 \(8, 8, 3\)"):
        find(generator, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SettingsError, match=r"at least one step\. Received: steps=0"):
        find(generator, np.zeros((16, 16, 3), np.uint8), steps=0)


@pytest.mark.slow
def test_pictures_that_look_more_different_lie_farther_apart(generator):
    image = generate(generator, latents_of([7], 8))[0]
    brighter = np.clip(image.astype(int) + 20, 0, 255).astype("uint8")
    others = generate(generator, latents_of(range(40, 80), 8))
    distances = perceptual_distances(np.stack([image, brighter, *others, tiny.pictures(1)[0]]), image)
    assert distances.shape == (43,)
    assert distances[0] == pytest.approx(0, abs=1e-9)
    assert 0 < distances[1] < np.median(distances[2:-1]) < distances[-1] < 4
    np.testing.assert_allclose(perceptual_distances(others[-1:], image)[0], distances[-2], rtol=1e-4)


# -- the photograph ------------------------------------------------------------------------------------------------


def test_a_photograph_is_made_as_those_of_a_dataset_are(tmp_path):
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


@pytest.mark.parametrize(("name", "told"), [("none.jpg", "there is no such file"), ("text.jpg", "not a picture")])
def test_what_is_no_photograph_is_said(tmp_path, name, told):
    (tmp_path / "text.jpg").write_text("a letter")
    with pytest.raises(SourceError, match=f"The photograph cannot be read: {told}. Received: .*{name}"):
        prepare_one_photo(tmp_path / name, 16)
