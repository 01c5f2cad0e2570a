"""Realism, and choosing pictures by it that differ from each other."""

import numpy as np
import pytest

from pippin.measure import best, commonness, diversity, realism


@pytest.fixture
def references():
    return np.random.default_rng(0).standard_normal((200, 6))


def test_realism_is_the_papers_formula(references):
    painted = np.random.default_rng(1).standard_normal((5, 6)) * 2
    apart = np.linalg.norm(references[:, None] - references[None], axis=2)
    reach = np.sort(apart, axis=1)[:, 3]
    dense = reach <= np.median(reach)
    expected = [max(reach[dense] / np.linalg.norm(one - references[dense], axis=1)) for one in painted]
    np.testing.assert_allclose(realism(painted, references), expected, rtol=1e-6)


def test_what_lies_among_the_references_is_realistic_and_what_lies_far_is_not(references):
    assert realism(np.zeros((1, 6)), references)[0] > 1
    far = realism(np.array([[100.0] * 6, [200.0] * 6]), references)
    assert far[0] < 0.05
    assert far[0] == pytest.approx(2 * far[1], rel=0.05)


def test_an_outlier_among_the_references_makes_nothing_realistic(references):
    with_outlier = np.concatenate([references, np.full((1, 6), 50.0)])
    assert realism(np.full((1, 6), 49.0), with_outlier)[0] < 0.1


def test_commonness_is_lowest_for_what_is_unlike_all_others():
    features = np.concatenate([np.random.default_rng(0).standard_normal((30, 4)), np.full((1, 4), 20.0)])
    assert commonness(features).argmin() == 30


def test_the_best_come_from_the_better_half_begin_with_the_best_and_differ():
    rng = np.random.default_rng(0)
    features, scores = rng.standard_normal((80, 5)), rng.random(80)
    chosen = best(features, scores, 20)
    assert len(set(chosen)) == 20
    assert chosen[0] == scores.argmax()
    assert (np.diff(scores[chosen]) < 0).all()
    assert scores[chosen].min() >= np.median(scores)
    assert diversity(features[chosen]) > diversity(features[np.argsort(-scores)[:20]])


def test_twins_are_not_both_chosen_while_others_are_left():
    features = np.repeat(np.eye(4), 2, axis=0)  # four pairs of twins
    chosen = best(features, np.array([8, 7, 6, 5, 4, 3, 2, 1.0]), 2)
    np.testing.assert_array_equal(chosen, [0, 2])
    assert sorted(best(features, np.arange(8.0), 8)) == list(range(8))


def test_what_is_no_candidate_is_chosen_last():
    features = np.random.default_rng(0).standard_normal((10, 3))
    scores = np.arange(10.0)
    scores[5:] = -np.inf
    assert set(best(features, scores, 3)) <= {2, 3, 4}
    assert set(best(features, scores, 6)) > {0, 1, 2, 3, 4}
