"""Seeds, the latents that they stand for, and paths through latents."""

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.sampling.latents import check_latents, closed_path, latents_of
from pippin.sampling.seeds import check_seeds, format_seeds, parse_seeds, seeds_from
from pippin.training import draws

NOT_INTEGERS = [True, "3", 1.5, 2.0, float("nan"), None]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("7", [7]), ("1,2,3", [1, 2, 3]), ("10-13", [10, 11, 12, 13]), (" 5 , 1-2,9 ", [5, 1, 2, 9]), ("3,3", [3, 3])],
)
def test_seeds_are_parsed_from_text(text, seeds):
    assert parse_seeds(text) == seeds
    assert parse_seeds(format_seeds(seeds)) == seeds


def test_consecutive_seeds_are_written_as_a_range():
    assert format_seeds([1, 2, 3, 7, 6, 9, 10]) == "1-3,7,6,9-10"


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_text_that_is_not_a_list_of_seeds_is_refused(text, message):
    with pytest.raises(SettingsError, match=message):
        parse_seeds(text)


def test_seeds_are_consecutive_up_to_the_largest():
    assert seeds_from(5, 3) == [5, 6, 7]
    assert seeds_from(2**63 - 1, 1) == [2**63 - 1]
    with pytest.raises(SettingsError, match="seed must be from 0 to 2⁶³ − 1"):
        seeds_from(2**63 - 1, 2)


def test_numpy_integers_are_seeds():
    seeds = check_seeds(np.array([3, 1]))
    assert (seeds, [type(seed) for seed in seeds]) == ([3, 1], [int, int])
    assert seeds_from(np.uint8(255), np.int64(2)) == [255, 256]


@pytest.mark.parametrize("value", NOT_INTEGERS)
def test_a_seed_or_number_of_another_type_is_refused(value):
    for call in (lambda: seeds_from(value, 1), lambda: check_seeds([1, value]), lambda: latents_of([value], 8)):
        with pytest.raises(SettingsError, match=r"seed must be an integer. Received: seed="):
            call()
    with pytest.raises(SettingsError, match=r"n must be an integer. Received: n="):
        seeds_from(0, value)


@pytest.mark.parametrize(("seeds", "message"), [([], "at least one seed"), (5, "a sequence"), ("12", "a sequence")])
def test_what_is_not_a_sequence_of_seeds_is_refused(seeds, message):
    with pytest.raises(SettingsError, match=rf"{message}.* Received: seeds="):
        check_seeds(seeds)


# -- latents -------------------------------------------------------------------------------------------------------


def test_the_latent_of_a_seed_does_not_depend_on_other_seeds():
    together = latents_of([3, 1, 2], 8)
    assert (together.shape, together.dtype) == ((3, 8), np.float32)
    for row, seed in zip(together, [3, 1, 2], strict=True):
        np.testing.assert_array_equal(latents_of([seed], 8)[0], row)


def test_latents_of_seeds_are_standard_normal_and_differ_from_those_of_training():
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


@pytest.mark.parametrize(
    ("truncation", "message"),
    [
        (-0.1, "from 0 to 2"),
        (2.1, "from 0 to 2"),
        (float("nan"), "a finite number"),
        (True, "a number"),
        ("1", "a number"),
        (None, "a number"),
    ],
)
def test_truncation_out_of_range_or_of_another_type_is_refused(truncation, message):
    with pytest.raises(SettingsError, match=rf"truncation must be {message}. Received: truncation="):
        latents_of([1], 8, truncation)


@pytest.mark.parametrize("shape", [(8,), (0, 8), (2, 7), (1, 2, 8)])
def test_latents_of_another_shape_are_refused(shape):
    with pytest.raises(SettingsError, match=r"latents must have the shape \(N, 8\), N from 1. Received: \("):
        check_latents(np.zeros(shape), 8)


KEYS = latents_of([1, 2, 3, 4], 64)


def test_the_path_passes_each_key():
    path = closed_path(KEYS, 10)
    assert (path.shape, path.dtype) == ((40, 64), np.float32)
    np.testing.assert_allclose(path[::10], KEYS, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(closed_path(KEYS, 1), KEYS, rtol=1e-5, atol=1e-6)


def test_a_path_through_keys_of_one_length_keeps_that_length():
    keys = KEYS / np.linalg.norm(KEYS, axis=1, keepdims=True) * 8
    np.testing.assert_allclose(np.linalg.norm(closed_path(keys, 10), axis=1), 8, rtol=1e-5)


def test_the_path_through_two_keys_follows_their_great_circle():
    keys = np.array([[2.0, 0, 0], [0, 2.0, 0]])
    path = closed_path(keys, 12)
    np.testing.assert_array_equal(path[:, 2], 0)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2, rtol=1e-6)
    np.testing.assert_allclose(path[6], [2**0.5, 2**0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(path[1:], path[:0:-1], rtol=1e-5, atol=1e-6)  # and returns along it


def test_the_path_is_closed_and_has_no_corner():
    """The direction at each key is the same just before and just after it; a chain of arcs has corners."""
    path = closed_path(KEYS, 1000).astype(np.float64)
    steps = np.roll(path, -1, axis=0) - path
    for key in (0, 1000, 2000, 3000):
        before, after = steps[key - 1], steps[key]
        cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
        assert cosine > 0.999
        assert np.linalg.norm(before) == pytest.approx(np.linalg.norm(after), rel=0.02)


def test_the_path_rotates_with_its_keys():
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((64, 64)))[0]
    np.testing.assert_allclose(closed_path(KEYS @ rotation, 5), closed_path(KEYS, 5) @ rotation, atol=1e-4)


@pytest.mark.parametrize(
    ("keys", "frames", "message"),
    [
        (KEYS[:1], 5, "at least two seeds. Received: 1"),
        (KEYS, 0, "frames must be at least 1. Received: frames=0"),
        *((KEYS, value, "frames must be an integer. Received: frames=") for value in NOT_INTEGERS),
    ],
)
def test_a_path_without_keys_or_frames_is_refused(keys, frames, message):
    with pytest.raises(SettingsError, match=message):
        closed_path(keys, frames)
