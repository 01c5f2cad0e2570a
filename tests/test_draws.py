import numpy as np
import pytest

from pippin.training import draws

SEEDS = [0, 7, 2**63 - 1]


def leaves(drawn):
    return [drawn["latents"], *drawn["augment"].values()]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_step_draws_the_same(seed):
    once, again = draws.step_draws(seed, 5, 4, 8), draws.step_draws(seed, 5, 4, 8)
    for a, b in zip(leaves(once), leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_draws_of_a_step_do_not_depend_on_earlier_steps():
    in_turn = [draws.step_draws(1, n, 4, 8) for n in range(4)][3]
    at_once = draws.step_draws(1, 3, 4, 8)
    for a, b in zip(leaves(in_turn), leaves(at_once), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("other", [(1, 3), (2, 4)], ids=["another step", "another seed"])
def test_other_steps_and_seeds_draw_other_numbers(other):
    for a, b in zip(leaves(draws.step_draws(1, 4, 64, 8)), leaves(draws.step_draws(*other, 64, 8)), strict=True):
        both = (a != 0) & (b != 0)  # half of the blurs are 0
        assert both.any()
        assert (a != b)[both].all()


def test_purposes_are_independent():
    streams = [draws.random_stream(3, purpose, 2).standard_normal(20_000) for purpose in range(5)]
    correlations = np.corrcoef(streams) - np.eye(5)
    assert np.abs(correlations).max() < 0.03


def test_latents_are_standard_normal():
    latents = draws.batch_latents(0, 0, 1000, 100)
    assert (latents.shape, latents.dtype) == ((1000, 100), np.float32)
    assert latents.mean() == pytest.approx(0, abs=0.01)
    assert latents.var() == pytest.approx(1, abs=0.02)
    assert (latents**3).mean() == pytest.approx(0, abs=0.05)
    assert (latents**4).mean() == pytest.approx(3, abs=0.1)
    assert np.abs(np.corrcoef(latents.T) - np.eye(100)).max() < 0.2


def test_half_of_the_pairs_are_sharp_and_the_blur_of_the_others_is_uniform():
    blur = draws.augmentation_draws(0, 0, 20_000)["blur"]
    assert (blur == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert (blur[blur > 0] < 0.5).mean() == pytest.approx(0.5, abs=0.02)
    assert blur.max() < 1


def test_both_images_of_a_pair_have_the_same_blur():
    blur = draws.step_draws(0, 3, 16, 8)["augment"]["blur"]
    np.testing.assert_array_equal(blur[:16], blur[16:])


def test_fixed_latents_begin_alike_for_every_count():
    few, many = draws.fixed_latents(2, 5, 8), draws.fixed_latents(2, 64, 8)
    assert (many.shape, many.dtype) == ((64, 8), np.float32)
    np.testing.assert_array_equal(few, many[:5])
    assert (few != draws.fixed_latents(3, 5, 8)).all()
    assert (few != draws.batch_latents(2, 0, 5, 8)).all()


def test_augmentation_draws_are_uniform():
    drawn = draws.augmentation_draws(0, 0, 4000)
    assert drawn.pop("blur").shape == (4000,)
    assert {name: (array.shape, array.dtype) for name, array in drawn.items()} == {
        "gates": ((4000, 4), np.float32),
        "flip": ((4000,), np.float32),
        "translation": ((4000, 2), np.float32),
        "colour": ((4000, 3), np.float32),
        "cutout": ((4000, 2), np.float32),
    }
    every = np.concatenate([array.reshape(4000, -1) for array in drawn.values()], axis=1)
    assert every.min() >= 0
    assert every.max() < 1
    np.testing.assert_allclose(every.mean(axis=0), 1 / 2, atol=0.02)
    np.testing.assert_allclose(every.var(axis=0), 1 / 12, atol=0.005)
    assert np.abs(np.corrcoef(every.T) - np.eye(12)).max() < 0.06


def test_a_step_augments_real_and_generated_images():
    drawn = draws.step_draws(0, 0, 4, 8)
    assert drawn["latents"].shape == (4, 8)
    assert {len(array) for array in drawn["augment"].values()} == {8}


@pytest.mark.parametrize(("dataset_size", "batch_size"), [(12, 4), (10, 4), (7, 7), (3, 8), (1, 2)])
def test_every_image_is_drawn_once_per_epoch(dataset_size, batch_size):
    steps = [draws.batch_indices(5, n, batch_size, dataset_size) for n in range(dataset_size * 3)]
    assert {step.shape for step in steps} == {(batch_size,)}
    rounds = np.concatenate(steps).reshape(-1, dataset_size)
    for order in rounds:
        np.testing.assert_array_equal(np.sort(order), np.arange(dataset_size))
    if dataset_size > 5:
        assert len({tuple(order) for order in rounds}) == len(rounds)


def test_the_images_of_a_step_do_not_depend_on_earlier_steps():
    in_turn = [draws.batch_indices(1, n, 4, 10) for n in range(9)][8]
    np.testing.assert_array_equal(draws.batch_indices(1, 8, 4, 10), in_turn)
    assert (draws.batch_indices(2, 0, 50, 50) != draws.batch_indices(1, 0, 50, 50)).any()


def test_one_permutation_is_drawn_for_each_epoch(monkeypatch):
    drawn, stream = [], draws.random_stream

    def counted(seed, purpose, counter=0):
        drawn.append((purpose, counter))
        return stream(seed, purpose, counter)

    draws._permutation.cache_clear()
    monkeypatch.setattr(draws, "random_stream", counted)
    for step in range(30):  # ten epochs of twelve images, and as many of the anchors
        draws.batch_indices(5, step, 4, 12)
        draws.batch_indices(5, step, 4, 12, draws.Purpose.ANCHORED)
    assert sorted(drawn) == sorted((purpose, n) for purpose in (2, 4) for n in range(10))


def test_orders_that_are_kept_cannot_be_changed_by_mistake():
    with pytest.raises(ValueError, match="read-only"):
        draws._permutation(1, draws.Purpose.SHUFFLE, 0, 10)[0] = 3
