import sys

import numpy as np
import psutil
import pytest

from pippin.pictures import Subset, split


@pytest.mark.parametrize(
    ("count", "share", "size"), [(199, 0.1, 0), (200, 0.1, 40), (1000, 0.1, 100), (1000, 0.0, 0), (10**5, 0.1, 2048)]
)
def test_the_size_of_the_held_out_set(count, share, size):
    training, held_out = split(count, share)
    assert len(held_out) == size
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(count))


def test_the_split_is_fixed_and_spread_over_the_dataset():
    one, other = split(1000, 0.1)[1], split(1000, 0.1)[1]
    np.testing.assert_array_equal(one, other)
    assert 350 < one.mean() < 650


def test_a_subset_is_indexed_by_position():
    images = np.arange(10)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    subset = Subset(images, np.array([2, 5, 7]))
    assert len(subset) == 3
    np.testing.assert_array_equal(subset[np.array([2, 0])][:, 0, 0, 0], [7, 2])
    np.testing.assert_array_equal(subset[:][:, 0, 0, 0], [2, 5, 7])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports how much of a mapped file is in memory")
def test_reading_a_mapped_file_does_not_keep_it_in_memory(tmp_path):
    np.save(tmp_path / "pictures.npy", np.ones((500, 64, 64, 3), np.uint8))
    subset = Subset(np.load(tmp_path / "pictures.npy", mmap_mode="r"), np.arange(500))
    assert sum(int(subset[at : at + 100].sum()) for at in range(0, 500, 100)) == 500 * 64 * 64 * 3
    (mapped,) = [each for each in psutil.Process().memory_maps() if each.path == str(tmp_path / "pictures.npy")]
    assert mapped.rss == 0 < mapped.size
