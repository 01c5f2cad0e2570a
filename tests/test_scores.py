"""The scores: their definitions written out, and their values for sets with known properties."""

import re

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.measure import diversity
from pippin.measure.scores import FID_IMAGES, NEIGHBOURS, Scores, fid, kid, precision_and_recall, score


def normal(count, dims=6, seed=0, mean=0.0, scale=1.0):
    return mean + scale * np.random.default_rng(seed).standard_normal((count, dims))


def test_kid_is_the_unbiased_estimate_written_out():
    x, y = normal(5), normal(4, seed=1, mean=0.3)

    def kernel(a, b):
        return (a @ b / 6 + 1) ** 3

    own_x = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    own_y = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert kid(x, y)[0] == pytest.approx(own_x + own_y - 2 * between)


def test_kid_of_one_distribution_has_0_in_its_interval_and_grows_with_the_distance():
    value, (low, high) = kid(normal(400), normal(300, seed=1))
    assert low < 0 < high
    assert low < value < high
    shifted = [kid(normal(400), normal(300, seed=1, mean=mean)) for mean in (0.3, 0.6, 1.2)]
    assert [one[0] for one in shifted] == sorted(one[0] for one in shifted)
    assert all(one[1][0] > 0 for one in shifted)


def test_kid_is_unbiased_for_few_images():
    values = [kid(normal(12, seed=2 * n), normal(12, seed=2 * n + 1))[0] for n in range(100)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10


def test_the_interval_covers_the_variation_between_samples():
    values = [kid(normal(100, seed=2 * n), normal(100, seed=2 * n + 1, mean=0.5))[0] for n in range(60)]
    low, high = kid(normal(100, seed=500), normal(100, seed=501, mean=0.5))[1]
    assert 0.5 < (high - low) / (4 * np.std(values)) < 2


def test_fid_of_normal_distributions_is_their_frechet_distance():
    same = fid(normal(20_000, dims=3), normal(20_000, dims=3, seed=1))
    assert same == pytest.approx(0, abs=0.01)
    shifted = fid(normal(20_000, dims=3), normal(20_000, dims=3, seed=1, mean=2.0, scale=3.0))
    assert shifted == pytest.approx(3 * (2.0**2 + (3.0 - 1.0) ** 2), rel=0.03)


def test_fid_takes_the_root_of_covariances_that_do_not_commute():
    x, y = normal(300, dims=4) @ normal(4, dims=4, seed=7), normal(200, dims=4, seed=1) @ normal(4, dims=4, seed=8)
    a, b = np.cov(x.T), np.cov(y.T)
    root = np.sqrt(np.linalg.eigvals(a @ b).real).sum()
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * root
    assert fid(x, y) == pytest.approx(expected, rel=1e-8)


def test_fid_of_a_set_with_itself_is_0_even_with_fewer_images_than_features():
    assert fid(normal(10, dims=40), normal(10, dims=40)) == pytest.approx(0, abs=1e-8)


def test_diversity_written_out():
    features = np.array([[1.0, 0], [0, 2], [1, 1]])
    assert diversity(features) == pytest.approx((1 + 2 * (1 - 0.5**0.5)) / 3)


def test_precision_and_recall_computed_by_hand():
    references = np.array([[0.0], [1.0], [2.0], [10.0]])
    generated = np.array([[0.5], [1.5], [2.5], [40.0], [41.0]])
    # radii to the second neighbour: references 2, 1, 2, 9; generated 2, 1, 2, 38.5, 38.5
    precision, recall = precision_and_recall(generated, references, k=2)
    assert precision == pytest.approx(3 / 5)
    assert recall == pytest.approx(4 / 4)
    assert precision_and_recall(generated[:3], references, k=1) == pytest.approx((1.0, 3 / 4))


def test_precision_and_recall_use_the_third_neighbour():
    """Four references at distance 1 of each other reach each other and nothing further than the third neighbour."""
    references = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert precision_and_recall(np.array([[6.0], [6.1], [30.0], [40.0]]), references)[0] == 1 / 4
    assert precision_and_recall(np.array([[5.9], [6.0], [30.0], [40.0]]), references)[0] == 2 / 4


def test_a_collapsed_set_has_high_precision_and_low_recall():
    collapsed = normal(400, scale=0.05)
    precision, recall = precision_and_recall(collapsed, normal(400, seed=1))
    assert precision > 0.95
    assert recall < 0.05


def test_a_scattered_set_has_low_precision():
    precision, recall = precision_and_recall(normal(400, scale=4), normal(400, seed=1))
    assert precision < 0.3
    assert recall > 0.7


def test_a_score_is_reproducible_and_collects_each_of_its_parts():
    x, y = normal(50), normal(40, seed=1)
    found = score(x, y, "efficientnet-lite0", seed=3)
    assert found == score(x, y, "efficientnet-lite0", seed=3)
    assert (found.generated, found.references) == (50, 40)
    assert (found.kid, found.kid_interval) == kid(x, y, seed=3)
    assert (found.precision, found.recall) == precision_and_recall(x, y)
    assert found.fid == fid(x, y)


def test_scores_state_the_number_of_images_and_the_network():
    lines = Scores("efficientnet-lite0", 50, 40, 0.01, (0.0, 0.02), 12.34, 0.5, 0.25).lines()
    assert lines[0] == "50 images against 40 reference images, by features of efficientnet-lite0"
    assert lines[1].startswith("KID        0.0100  (95% bootstrap interval: 0.0000 to 0.0200;")
    assert lines[2] == "FID        12.3  (too high, as always for few images: compare only with FIDs at 40)"
    assert [line.split()[:2] for line in lines[3:]] == [["precision", "0.50"], ["recall", "0.25"]]


def test_fid_of_enough_images_has_no_warning():
    few, enough = (Scores("inception", FID_IMAGES, count, 0, (0, 0), 1, 0, 0) for count in (FID_IMAGES - 1, FID_IMAGES))
    assert "too high" in few.lines()[2]
    assert "too high" not in enough.lines()[2]


@pytest.mark.parametrize(
    ("function", "fewest", "message"),
    [
        (kid, 2, "KID needs at least 2 images"),
        (fid, 2, "FID needs at least 2 images"),
        (precision_and_recall, NEIGHBOURS + 1, "Precision needs at least 4 images"),
        (lambda x, y: score(x, y, "inception"), NEIGHBOURS + 1, "Precision needs at least 4 images"),
    ],
)
def test_too_few_images_are_an_error_on_either_side(function, fewest, message):
    function(normal(fewest), normal(fewest, seed=1))
    for counts in ((fewest - 1, fewest), (fewest, fewest - 1)):
        name = ("generated", "references")[counts.index(fewest - 1)]
        with pytest.raises(SettingsError, match=re.escape(f"{message}; use more. Received: {name}={fewest - 1}")):
            function(normal(counts[0]), normal(counts[1], seed=1))


def test_diversity_of_one_image_is_an_error():
    with pytest.raises(SettingsError, match=r"Diversity needs at least 2 images; use more\. Received: images=1"):
        diversity(normal(1))
