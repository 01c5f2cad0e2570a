import sys

import numpy as np
import psutil
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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much of a mapped file a process holds")
def test_reading_a_mapped_file_does_not_hold_it(tmp_path):
    np.save(tmp_path / "pictures.npy", np.ones((500, 64, 64, 3), np.uint8))
    subset = Subset(np.load(tmp_path / "pictures.npy", mmap_mode="r"), np.arange(500))
    assert sum(int(subset[at : at + 100].sum()) for at in range(0, 500, 100)) == 500 * 64 * 64 * 3
    (mapped,) = [each for each in psutil.Process().memory_maps() if each.path == str(tmp_path / "pictures.npy")]
    assert mapped.rss == 0 < mapped.size
