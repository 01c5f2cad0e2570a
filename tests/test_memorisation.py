"""Whether copies are told from new pictures: on points, where it is known which are which."""

import numpy as np
import pytest

from pippin.measure import memorisation


def points(count, seed, dims=16):
    return np.random.default_rng(seed).standard_normal((count, dims))


LEARNT, HELD_OUT = points(300, 0), points(60, 1)


def test_new_points_are_no_copies():
    found = memorisation(points(200, 2), LEARNT, HELD_OUT)
    assert abs(found.z) < 3
    assert found.near < 0.15
    assert found.verdict.startswith("No sign of copying: what it paints is not nearer to the learnt pictures than held")


def test_points_learnt_by_heart_are_found_with_their_originals():
    which = np.random.default_rng(3).integers(300, size=200)
    found = memorisation(LEARNT[which] + points(200, 4) * 0.1, LEARNT, HELD_OUT)
    np.testing.assert_array_equal(found.nearest, which)
    assert found.z < -5
    assert found.near == 1
    assert found.verdict.startswith("It has learnt pictures by heart")
    assert found.verdict.endswith("; 200 of 200 very near)")


def test_some_copies_among_new_points_are_found():
    painted = np.concatenate([LEARNT[:40] + points(40, 4) * 0.1, points(160, 2)])
    found = memorisation(painted, LEARNT, HELD_OUT)
    assert found.z > -5
    assert found.verdict.startswith(f"Some are copies: {round(found.near * 200)} of 200 are very near")
    assert set(np.flatnonzero(found.distances < np.quantile(found.real_distances, 0.05))) >= set(range(40))


def test_without_held_out_pictures_the_learnt_ones_are_compared_with_each_other():
    copies = memorisation(LEARNT[:100] + points(100, 4) * 0.1, LEARNT, points(0, 0))
    fresh = memorisation(points(100, 2), LEARNT, points(0, 0))
    assert copies.z < -5 < fresh.z
    assert "than they are to each other" in copies.verdict
    assert len(fresh.real_distances) == 300


def test_distances_and_z_written_out():
    found = memorisation(np.array([[2.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 3]]), np.array([[1.0, 1], [4, 0]]))
    root = 1 - 0.5**0.5
    assert found.distances == pytest.approx([0, root])
    assert found.real_distances == pytest.approx([root, 0])
    wins = 0.5 + 0 + 1 + 0.5  # each painted distance against each real one
    assert found.z == pytest.approx((wins - 2) / np.sqrt(2 * 2 * 5 / 12))
