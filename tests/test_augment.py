import numpy as np
import pytest
from keras import ops

from pippin import engines
from pippin.training import augment
from pippin.training.augment import KINDS
from pippin.training.draws import augmentation_draws

SIDE = 16
COUNT = 6


@pytest.fixture(scope="module")
def engine():
    return engines.current()


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(-1, 1, (COUNT, SIDE, SIDE, 3)).astype("float32")


def run(engine, images, draws, strength, blur=0, blur_floor=0, shift=None):
    numbers = [np.float32(number) for number in (strength, blur, blur_floor) + (() if shift is None else (shift,))]
    tensors = engine.to_device((images, draws, *numbers))
    return engine.to_host(augment.augment(*tensors))


def only(kind, count=COUNT, **values):
    """Draws that apply only one kind at strength 0.5."""
    draws = augmentation_draws(1, 0, count)
    draws["gates"] = np.ones((count, len(KINDS)), "float32")
    draws["gates"][:, KINDS.index(kind)] = 0
    return {**draws, **{name: np.float32(value) for name, value in values.items()}}


def test_strength_0_augments_nothing(engine, images):
    np.testing.assert_array_equal(run(engine, images, augmentation_draws(0, 0, COUNT), 0), images)


def test_shut_gates_augment_nothing(engine, images):
    draws = {**augmentation_draws(0, 0, COUNT), "gates": np.full((COUNT, 4), 0.5, "float32")}
    np.testing.assert_array_equal(run(engine, images, draws, 0.5), images)


def test_translation_can_have_a_probability_of_its_own(engine, images):
    draws = {**augmentation_draws(0, 0, COUNT), "gates": np.full((COUNT, 4), 0.5, "float32"), "blur": np.zeros(COUNT)}
    draws = {name: np.float32(values) for name, values in draws.items()}
    got = run(engine, images, draws, 0, shift=1.0)
    alone = run(engine, images, {**draws, "gates": np.float32([[0.5, 0, 0.5, 0.5]] * COUNT)}, 0.25)
    np.testing.assert_array_equal(got, alone)
    assert (got != images).any()


def test_a_flip_depends_on_its_draw(engine, images):
    flip = [0.1, 0.49, 0.5, 0.9, 0.0, 0.7]
    got = run(engine, images, only("flip", flip=flip), 0.5)
    for index, value in enumerate(flip):
        expected = images[index, :, ::-1] if value < 0.5 else images[index]
        np.testing.assert_array_equal(got[index], expected)


def shifted(image, down, right):
    """The image translated by whole pixels; zeros move in."""
    moved = np.zeros_like(image)
    h, w, _ = image.shape
    for row in range(h):
        for column in range(w):
            if 0 <= row - down < h and 0 <= column - right < w:
                moved[row, column] = image[row - down, column - right]
    return moved


def test_translation_moves_by_whole_pixels_up_to_an_eighth(engine, images):
    draw = [[0.0, 0.999], [0.999, 0.0], [0.5, 0.5], [0.3, 0.5], [0.5, 0.7], [0.1, 0.9]]
    pixels = [(-2, 2), (2, -2), (0, 0), (-1, 0), (0, 1), (-2, 2)]
    got = run(engine, images, only("translation", translation=draw), 0.5)
    for index, (down, right) in enumerate(pixels):
        np.testing.assert_array_equal(got[index], shifted(images[index], down, right))


def test_every_shift_is_equally_likely(engine):
    count = 4000
    dot = np.zeros((count, SIDE, SIDE, 1), "float32")
    dot[:, 8, 8] = 1
    got = run(engine, dot, only("translation", count), 0.5)[..., 0]
    np.testing.assert_array_equal(got.sum(axis=(1, 2)), 1)
    for axis in (1, 2):
        places, counts = np.unique(np.nonzero(got)[axis], return_counts=True)
        np.testing.assert_array_equal(places, [6, 7, 8, 9, 10])
        np.testing.assert_allclose(counts / count, 0.2, atol=0.03)


def test_flip_and_translation_together_mirror_first(engine, images):
    draws = only("flip", flip=[0.0] * COUNT, translation=[[0.999, 0.0]] * COUNT)
    draws["gates"][:, KINDS.index("translation")] = 0
    got = run(engine, images, draws, 0.5)
    for index in range(COUNT):
        np.testing.assert_array_equal(got[index], shifted(images[index, :, ::-1], 2, -2))


def test_cutout_sets_a_square_of_half_the_side_to_zero(engine):
    bright = np.ones((COUNT, SIDE, SIDE, 3), "float32")
    centre = [[0.5, 0.5], [0.25, 0.75], [0.0, 0.0], [0.999, 0.5], [0.5, 0.0], [0.3, 0.6]]
    got = run(engine, bright, only("cutout", cutout=centre), 0.5)
    np.testing.assert_array_equal(got[0, 4:12, 4:12], 0)
    np.testing.assert_array_equal(got[1, 0:8, 8:16], 0)
    np.testing.assert_array_equal(got[2, 0:4, 0:4], 0)
    np.testing.assert_array_equal(got[3, 12:16, 4:12], 0)
    np.testing.assert_array_equal(got[4, 4:12, 0:4], 0)
    holes = (got == 0).all(axis=3).sum(axis=(1, 2))
    np.testing.assert_array_equal(holes, [64, 64, 16, 32, 32, 64])
    assert set(np.unique(got)) == {0, 1}


def test_colour_is_as_written(engine, images):
    draw = np.random.default_rng(3).uniform(size=(COUNT, 3))
    got = run(engine, images, only("colour", colour=draw), 0.5)
    for image, result, (brightness, saturation, contrast) in zip(images, got, draw, strict=True):
        bright = np.float64(image) + (brightness - 0.5)
        grey = bright.mean(axis=2, keepdims=True)
        vivid = grey + 2 * saturation * (bright - grey)
        expected = vivid.mean() + (0.5 + contrast) * (vivid - vivid.mean())
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_blurred_dot_is_a_gaussian(engine):
    dot = np.zeros((COUNT, 33, 33, 1), "float32")
    dot[:, 16, 16] = 1
    draws = {**augmentation_draws(0, 0, COUNT), "blur": np.float32([0, 0.25, 0.5, 0.75, 1, 1])}
    got = run(engine, dot, draws, 0, blur=2)[..., 0]
    np.testing.assert_array_equal(got[0], dot[0, :, :, 0])
    offsets = np.arange(33) - 16
    for index, sigma in ((2, 1.0), (4, 2.0)):
        line = np.exp(-(offsets**2) / (2 * sigma**2))
        expected = np.outer(line, line) / line.sum() ** 2
        np.testing.assert_allclose(got[index], expected, atol=1e-6)


def test_the_floor_is_the_least_blur_of_every_image(engine, images):
    draws = {**augmentation_draws(0, 0, COUNT), "blur": np.float32([0, 0.1, 0.5, 0.5, 0.9, 1])}
    floored = run(engine, images, draws, 0, blur=2, blur_floor=1)
    for index, sigma in enumerate((1, 1, 1, 1, 1.8, 2)):
        alone = run(engine, images, {**draws, "blur": np.full(COUNT, sigma / 2, "float32")}, 0, blur=2)
        np.testing.assert_allclose(floored[index], alone[index], atol=1e-5)


def test_blur_does_not_darken_the_edges(engine):
    even = np.full((COUNT, SIDE, SIDE, 3), 0.7, "float32")
    np.testing.assert_allclose(
        run(engine, even, augmentation_draws(0, 0, COUNT), 0, blur=3, blur_floor=3), even, atol=1e-6
    )


@pytest.mark.parametrize("strength", [0.25, 0.6, 1.0])
def test_the_strength_is_the_share_of_images_that_each_kind_changes(engine, strength):
    count = 2000
    image = np.random.default_rng(4).uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    for index, kind in enumerate(KINDS):
        draws = augmentation_draws(2, 0, count)
        gates = np.ones_like(draws["gates"])
        gates[:, index] = draws["gates"][:, index]
        draws = {**draws, "gates": gates, "flip": np.zeros(count, "float32")}
        draws["translation"] = np.zeros((count, 2), "float32")
        got = run(engine, np.repeat(image, count, axis=0), draws, strength)
        changed = (got != image).any(axis=(1, 2, 3)).mean()
        if strength < 1:
            assert changed == pytest.approx(strength, abs=0.04), kind
        else:
            assert changed == 1, kind


def test_gradients_pass_through(engine, images):
    """Each kind is affine, so its derivative applied to a difference is the difference of the results."""
    draws, strength = engine.to_device((augmentation_draws(5, 0, COUNT), np.float32(1)))
    other = np.random.default_rng(6).uniform(-1, 1, images.shape).astype("float32")
    weight = engine.to_device(np.random.default_rng(7).normal(size=images.shape).astype("float32"))

    def total(images):
        return ops.sum(augment.augment(images, draws, strength) * weight), None

    value, pullback, _ = engine.vjp(total, engine.to_device(images))
    (gradients,) = engine.to_host(pullback(ops.ones_like(value)))
    difference = engine.to_host(total(engine.to_device(other))[0]) - engine.to_host(value)
    assert (gradients * (other - images)).sum() == pytest.approx(float(difference), rel=1e-3)
    assert np.abs(gradients).sum() > 0
