"""The memorisation test, on points of which it is known whether they are copies."""

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.measure import memorisation


def points(count, seed, dims=16):
    return np.random.default_rng(seed).standard_normal((count, dims))


TRAINING, HELD_OUT = points(300, 0), points(60, 1)


def test_new_points_are_not_reported():
    found = memorisation(points(200, 2), TRAINING, HELD_OUT)
    assert abs(found.z) < 3
    assert found.very_near_share < 0.15
    assert found.verdict.startswith(
        "No sign of memorisation: generated images are not nearer to the training images than held-out images are (Z ="
    )


def test_memorised_points_are_found_with_their_originals():
    which = np.random.default_rng(3).integers(300, size=200)
    found = memorisation(TRAINING[which] + points(200, 4) * 0.1, TRAINING, HELD_OUT)
    np.testing.assert_array_equal(found.nearest, which)
    assert found.z < -5
    assert found.very_near_share == 1
    assert found.verdict.startswith("The generator memorises training images: ")
    assert found.verdict.endswith("; 200 of 200 very near)")


def test_a_few_copies_among_new_points_are_found():
    generated = np.concatenate([TRAINING[:40] + points(40, 4) * 0.1, points(160, 2)])
    found = memorisation(generated, TRAINING, HELD_OUT)
    assert found.z > -5
    count = (found.distances < np.quantile(found.real_distances, 0.05)).sum()
    assert found.verdict.startswith(
        f"Some generated images are copies: {count} of 200 are very near to training images"
    )
    assert set(np.flatnonzero(found.distances < np.quantile(found.real_distances, 0.05))) >= set(range(40))


def test_without_held_out_images_training_images_are_compared_with_each_other():
    copies = memorisation(TRAINING[:100] + points(100, 4) * 0.1, TRAINING, points(0, 0))
    fresh = memorisation(points(100, 2), TRAINING, points(0, 0))
    assert copies.z < -5 < fresh.z
    assert "than training images are to each other" in copies.verdict
    assert len(fresh.real_distances) == 300


def test_distances_and_z_written_out():
    found = memorisation(np.array([[2.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 3]]), np.array([[1.0, 1], [4, 0]]))
    root = 1 - 0.5**0.5
    assert found.distances == pytest.approx([0, root])
    assert found.real_distances == pytest.approx([root, 0])
    wins = 0.5 + 0 + 1 + 0.5  # each generated distance against each real one
    assert found.z == pytest.approx((wins - 2) / np.sqrt(2 * 2 * 5 / 12))


@pytest.mark.parametrize(
    ("generated", "training", "message"),
    [
        (0, 2, r"1 image; use more\. Received: generated=0"),
        (1, 1, r"2 images; use more\. Received: training=1"),
    ],
)
def test_too_few_images_are_an_error(generated, training, message):
    with pytest.raises(SettingsError, match=f"The memorisation test needs at least {message}"):
        memorisation(points(generated, 0), points(training, 1), points(5, 2))
