"""The realism score, and the selection of images that are realistic and differ from each other."""

import numpy as np
import pytest

from pippin.errors import SettingsError
from pippin.measure import commonness, diversity, realism, select_best


@pytest.fixture
def references():
    return np.random.default_rng(0).standard_normal((200, 6))


def test_realism_is_the_papers_formula(references):
    generated = np.random.default_rng(1).standard_normal((5, 6)) * 2
    distances = np.linalg.norm(references[:, None] - references[None], axis=2)
    radius = np.sort(distances, axis=1)[:, 3]
    dense = radius <= np.median(radius)
    expected = [max(radius[dense] / np.linalg.norm(one - references[dense], axis=1)) for one in generated]
    np.testing.assert_allclose(realism(generated, references), expected, rtol=1e-6)


def test_realism_is_above_1_among_the_references_and_falls_with_the_distance(references):
    assert realism(np.zeros((1, 6)), references)[0] > 1
    far = realism(np.array([[100.0] * 6, [200.0] * 6]), references)
    assert far[0] < 0.05
    assert far[0] == pytest.approx(2 * far[1], rel=0.05)


def test_an_image_near_an_outlier_of_the_references_is_not_realistic(references):
    with_outlier = np.concatenate([references, np.full((1, 6), 50.0)])
    assert realism(np.full((1, 6), 49.0), with_outlier)[0] < 0.1


def test_commonness_is_lowest_for_an_outlier():
    features = np.concatenate([np.random.default_rng(0).standard_normal((30, 4)), np.full((1, 4), 20.0)])
    assert commonness(features).argmin() == 30


def test_the_selection_comes_from_the_better_half_starts_with_the_best_and_is_diverse():
    rng = np.random.default_rng(0)
    features, scores = rng.standard_normal((80, 5)), rng.random(80)
    chosen = select_best(features, scores, 20)
    assert len(set(chosen)) == 20
    assert chosen[0] == scores.argmax()
    assert (np.diff(scores[chosen]) < 0).all()
    assert scores[chosen].min() >= np.median(scores)
    assert diversity(features[chosen]) > diversity(features[np.argsort(-scores)[:20]])


def test_of_duplicates_only_one_is_selected_while_others_are_left():
    features = np.repeat(np.eye(4), 2, axis=0)  # four pairs of duplicates
    chosen = select_best(features, np.array([8, 7, 6, 5, 4, 3, 2, 1.0]), 2)
    np.testing.assert_array_equal(chosen, [0, 2])
    assert sorted(select_best(features, np.arange(8.0), 8)) == list(range(8))


def test_images_with_a_score_of_minus_infinity_are_selected_last():
    features = np.random.default_rng(0).standard_normal((10, 3))
    scores = np.arange(10.0)
    scores[5:] = -np.inf
    assert set(select_best(features, scores, 3)) <= {2, 3, 4}
    assert set(select_best(features, scores, 6)) > {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda few: realism(few, few), "Realism needs at least 4 images; use more. Received: references=3"),
        (commonness, "Commonness needs at least 4 images; use more. Received: generated=3"),
        (lambda few: select_best(few, few[:, 0], 4), "needs at least 4 images; use more. Received: features=3"),
    ],
)
def test_too_few_images_are_an_error(function, message):
    with pytest.raises(SettingsError) as caught:
        function(np.eye(3))
    assert message in str(caught.value)


def test_four_images_are_enough():
    four = np.array([[0.0], [1.0], [2.0], [3.0]])
    np.testing.assert_allclose(commonness(four), [-3, -2, -2, -3])
    assert realism(np.array([[4.0]]), four)[0] == pytest.approx(1.0)  # radius 2 of the reference at 2
