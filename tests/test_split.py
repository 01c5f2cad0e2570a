import numpy as np
import pytest

from pippin.pictures import Subset, split


@pytest.mark.parametrize(
    ("count", "share", "aside"), [(199, 0.1, 0), (200, 0.1, 40), (1000, 0.1, 100), (1000, 0.0, 0), (10**5, 0.1, 2048)]
)
def test_so_many_are_held_out(count, share, aside):
    learnt, held_out = split(count, share)
    assert len(held_out) == aside
    np.testing.assert_array_equal(np.sort(np.concatenate([learnt, held_out])), np.arange(count))


def test_the_split_is_always_the_same_and_not_the_first_ones():
    one, other = split(1000, 0.1)[1], split(1000, 0.1)[1]
    np.testing.assert_array_equal(one, other)
    assert 350 < one.mean() < 650


def test_a_subset_gives_its_own_pictures_for_its_own_numbers():
    images = np.arange(10)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    subset = Subset(images, np.array([2, 5, 7]))
    assert len(subset) == 3
    np.testing.assert_array_equal(subset[np.array([2, 0])][:, 0, 0, 0], [7, 2])
    np.testing.assert_array_equal(subset[:][:, 0, 0, 0], [2, 5, 7])
