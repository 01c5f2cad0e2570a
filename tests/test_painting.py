"""Seeds, the latents that they stand for, and the way through them."""

import keras
import numpy as np
import pytest
import tiny

from pippin.errors import SettingsError
from pippin.sampling.generation import fingerprint, generate
from pippin.sampling.latents import closed_path, latents_of
from pippin.sampling.seeds import check_seeds, format_seeds, parse_seeds, seeds_from
from pippin.training import draws


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("7", [7]), ("1,2,3", [1, 2, 3]), ("10-13", [10, 11, 12, 13]), (" 5 , 1-2,9 ", [5, 1, 2, 9]), ("3,3", [3, 3])],
)
def test_seeds_are_read_as_people_write_them(text, seeds):
    assert parse_seeds(text) == seeds
    assert parse_seeds(format_seeds(seeds)) == seeds


def test_seeds_are_written_with_neighbours_as_a_range():
    assert format_seeds([1, 2, 3, 7, 6, 9, 10]) == "1-3,7,6,9-10"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Give seeds as 1,2,3 or as 10-20. Received: "),
        ("1,,2", "Give seeds as 1,2,3"),
        ("-1", "Give seeds as 1,2,3"),
        ("1.5", "Give seeds as 1,2,3"),
        ("²", "Give seeds as 1,2,3"),
        ("20-10", "from the smaller to the larger. Received: 20-10"),
        ("0-99999999999999", "at most 100,000 seeds"),
        ("0-60000,0-60000", "at most 100,000 seeds"),
        ("9223372036854775808", "seed must be from 0 to 2⁶³ − 1. Received: seed=9223372036854775808"),
    ],
)
def test_what_are_no_seeds_is_said(text, told):
    with pytest.raises(SettingsError, match=told):
        parse_seeds(text)


def test_seeds_follow_each_other_to_the_last_there_is():
    assert seeds_from(5, 3) == [5, 6, 7]
    assert seeds_from(2**63 - 1, 1) == [2**63 - 1]
    with pytest.raises(SettingsError, match="seed must be from 0 to 2⁶³ − 1"):
        seeds_from(2**63 - 1, 2)
    with pytest.raises(SettingsError, match="at least one seed"):
        check_seeds([])


# -- latents -------------------------------------------------------------------------------------------------------


def test_a_seed_stands_for_one_latent_whichever_are_beside_it():
    together = latents_of([3, 1, 2], 8)
    assert (together.shape, together.dtype) == ((3, 8), np.float32)
    for row, seed in zip(together, [3, 1, 2], strict=True):
        np.testing.assert_array_equal(latents_of([seed], 8)[0], row)


def test_latents_of_seeds_are_standard_normal_and_none_of_training():
    latents = latents_of(range(2000), 50)
    assert latents.mean() == pytest.approx(0, abs=0.02)
    assert latents.var() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(latents.T) - np.eye(50)).max() < 0.12
    assert (latents_of([2], 8) != draws.fixed_latents(2, 1, 8)).all()
    assert (latents_of([2], 8) != draws.batch_latents(2, 0, 1, 8)).all()


def test_truncation_scales_latents_about_their_mean():
    whole = latents_of([1, 2], 8)
    np.testing.assert_array_equal(latents_of([1, 2], 8, 1.0), whole)
    np.testing.assert_array_equal(latents_of([1, 2], 8, 0.5), whole / 2)
    np.testing.assert_array_equal(latents_of([1, 2], 8, 0.0), np.zeros((2, 8)))


@pytest.mark.parametrize("truncation", [-0.1, 2.1, float("nan")])
def test_truncation_out_of_range_is_refused(truncation):
    with pytest.raises(SettingsError, match=r"truncation must be from 0 to 2. Received: truncation="):
        latents_of([1], 8, truncation)


KEYS = latents_of([1, 2, 3, 4], 64)


def test_the_path_passes_each_key():
    path = closed_path(KEYS, 10)
    assert (path.shape, path.dtype) == ((40, 64), np.float32)
    np.testing.assert_allclose(path[::10], KEYS, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(closed_path(KEYS, 1), KEYS, rtol=1e-5, atol=1e-6)


def test_the_path_keeps_the_lengths_that_latents_have():
    keys = KEYS / np.linalg.norm(KEYS, axis=1, keepdims=True) * 8
    np.testing.assert_allclose(np.linalg.norm(closed_path(keys, 10), axis=1), 8, rtol=1e-5)


def test_two_keys_are_passed_along_their_great_circle():
    keys = np.array([[2.0, 0, 0], [0, 2.0, 0]])
    path = closed_path(keys, 12)
    np.testing.assert_array_equal(path[:, 2], 0)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2, rtol=1e-6)
    np.testing.assert_allclose(path[6], [2**0.5, 2**0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(path[1:], path[:0:-1], rtol=1e-5, atol=1e-6)  # and back the same way


def test_the_path_is_closed_and_has_no_corner():
    """The direction at each key is the same just before and just after it; a chain of arcs has corners."""
    path = closed_path(KEYS, 1000).astype(np.float64)
    steps = np.roll(path, -1, axis=0) - path
    for key in (0, 1000, 2000, 3000):
        before, after = steps[key - 1], steps[key]
        cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert cosine > 0.999
        assert np.linalg.norm(before) == pytest.approx(np.linalg.norm(after), rel=0.02)


def test_the_path_turns_with_its_keys():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 64)))[0]
    np.testing.assert_allclose(closed_path(KEYS @ turn, 5), closed_path(KEYS, 5) @ turn, atol=1e-4)


@pytest.mark.parametrize(
    ("keys", "frames", "told"), [(KEYS[:1], 5, "at least two seeds. Received: 1"), (KEYS, 0, "frames=0")]
)
def test_a_path_of_nothing_is_refused(keys, frames, told):
    with pytest.raises(SettingsError, match=told):
        closed_path(keys, frames)


# -- pictures ------------------------------------------------------------------------------------------------------


def deep():
    """A generator whose last digits differ on every engine when the number of pictures does."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    stack = [layers.Dense(4 * 4 * 64), layers.Reshape((4, 4, 64)), layers.UpSampling2D()]
    convolutions = [layers.Conv2D(64, 3, padding="same", activation="relu") for _ in range(3)]
    return keras.Sequential([keras.Input((32,)), *stack, *convolutions, layers.Conv2D(3, 3, padding="same")])


def test_a_picture_is_the_same_alone_and_beside_others_to_the_last_bit(monkeypatch):
    monkeypatch.setattr("pippin.sampling.generation.to_uint8", lambda images: images)
    generator, latents = deep(), latents_of(range(20), 32)
    together = generate(generator, latents)
    for n in (0, 7, 19):
        np.testing.assert_array_equal(generate(generator, latents[n : n + 1])[0], together[n])


def test_painting_tells_how_far_it_is():
    told = []
    images = generate(tiny.generator(), latents_of(range(40), tiny.LATENT_DIM), lambda *progress: told.append(progress))
    assert (images.shape, images.dtype) == ((40, 16, 16, 3), np.uint8)
    assert told == [(16, 40), (32, 40), (40, 40)]


def test_a_fingerprint_stands_for_the_weights_to_the_last_bit():
    one, other = tiny.generator(), tiny.generator()
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 16
    weights = np.array(other.weights[0])
    weights[0, 0] = np.nextafter(weights[0, 0], np.float32(9))
    other.weights[0].assign(weights)
    assert fingerprint(one) != fingerprint(other)
