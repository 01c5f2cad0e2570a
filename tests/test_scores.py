"""The scores against the same written out, and what they must say of sets that are known."""

import numpy as np
import pytest

from pippin.measure import scores
from pippin.measure.scores import FEW, Scores, fid, kid, precision_and_recall, score


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


def test_kid_of_the_same_distribution_has_0_in_its_interval_and_grows_with_the_distance():
    value, (low, high) = kid(normal(400), normal(300, seed=1))
    assert low < 0 < high
    assert low < value < high
    further = [kid(normal(400), normal(300, seed=1, mean=mean)) for mean in (0.3, 0.6, 1.2)]
    assert [one[0] for one in further] == sorted(one[0] for one in further)
    assert all(one[1][0] > 0 for one in further)


def test_kid_is_not_biased_by_few_pictures():
    values = [kid(normal(12, seed=2 * n), normal(12, seed=2 * n + 1))[0] for n in range(100)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10


def test_the_interval_covers_the_spread_between_samples():
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


def test_fid_of_a_set_with_itself_is_0_even_with_fewer_pictures_than_features():
    assert fid(normal(10, dims=40), normal(10, dims=40)) == pytest.approx(0, abs=1e-8)


def test_precision_and_recall_by_hand():
    references = np.array([[0.0], [1.0], [2.0], [10.0]])
    painted = np.array([[0.5], [1.5], [2.5], [40.0], [41.0]])
    # second neighbours: the references reach 2, 1, 2, 9; the painted 2, 1, 2, 38.5, 38.5
    precision, recall = precision_and_recall(painted, references, k=2)
    assert precision == pytest.approx(3 / 5)
    assert recall == pytest.approx(4 / 4)
    assert precision_and_recall(painted[:3], references, k=1) == pytest.approx((1.0, 3 / 4))


def test_a_collapsed_set_is_precise_and_reaches_little():
    collapsed = normal(400, scale=0.05)
    precision, recall = precision_and_recall(collapsed, normal(400, seed=1))
    assert precision > 0.95
    assert recall < 0.05


def test_a_scattered_set_is_not_precise():
    precision, recall = precision_and_recall(normal(400, scale=4), normal(400, seed=1))
    assert precision < 0.3
    assert recall > 0.7


def test_scores_are_the_same_again_and_say_how_many_pictures_they_stand_on():
    one = score(normal(50), normal(40, seed=1), "efficientnet-lite0")
    assert one == score(normal(50), normal(40, seed=1), "efficientnet-lite0")
    text = "\n".join(one.lines())
    assert "50 pictures against 40, by what efficientnet-lite0 sees in them" in text
    assert "compare it only at 40" in text


def test_enough_pictures_need_no_warning():
    lines = Scores("inception", FEW, FEW, 0.01, (0.0, 0.02), 12.3, 0.5, 0.25).lines()
    assert lines[2] == "FID        12.3"
    assert scores.NEIGHBOURS == 3
