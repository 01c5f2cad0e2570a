"""Selection of generated images that look realistic and differ from each other."""

import numpy as np

from pippin.measure.scores import NEIGHBOURS, require, squared_distances


def realism(generated: np.ndarray, references: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Compute the realism score (Kynkäänniemi et al. 2019, arXiv 1904.06991, equation 4).

    R(φ) = max over references φᵣ of ‖φᵣ − its k-th nearest neighbour‖ / ‖φ − φᵣ‖. An image with a score of 1 or more
    lies within the references' manifold. As in the paper, the half of the references with the farthest neighbours is
    left out, because everything is near to an outlier by that ratio.

    Args:
        generated: features (N, D).
        references: features (M, D), M > k.
        k: which neighbour.

    Returns:
        float64 (N,), from 0.

    Raises:
        SettingsError: there are k references or fewer.
    """
    require(k + 1, "Realism", references=references)
    radius = np.partition(squared_distances(references, references), k, axis=1)[:, k]
    dense = radius <= np.median(radius)
    between = squared_distances(generated, references[dense])
    return np.sqrt((radius[dense] / np.maximum(between, 1e-12)).max(axis=1))


def commonness(generated: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Compute how near images are to others of the same set, as a substitute for `realism` without references.

    Args:
        generated: features (N, D), N > k.
        k: which neighbour.

    Returns:
        float64 (N,): the negative distance to the k-th nearest other image, so that typical images have the highest.

    Raises:
        SettingsError: there are k images or fewer.
    """
    require(k + 1, "Commonness", generated=generated)
    return -np.sqrt(np.partition(squared_distances(generated, generated), k, axis=1)[:, k])


def select_best(features: np.ndarray, scores: np.ndarray, n: int) -> np.ndarray:
    """Select images with high scores that differ from each other.

    Only the better half of the images is considered, or n of them if that is more. The image with the highest score is
    selected first. Then the image farthest from all selected ones is added (Gonzalez 1985), until there are n.

    Args:
        features: (N, D).
        scores: (N,), higher is better. Images with −∞ are selected last.
        n: number of images to select, from 1 to N.

    Returns:
        int64 (n,), the indices of the images, the best first.

    Raises:
        SettingsError: `n` is out of range.
    """
    require(max(n, 1), "This selection", features=features)
    order = np.argsort(-scores, kind="stable")[: max(n, int(np.isfinite(scores).sum() + 1) // 2)]
    distances = squared_distances(features[order], features[order])
    chosen = [0]
    nearest = distances[0].copy()
    nearest[0] = -1.0
    while len(chosen) < n:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, distances[chosen[-1]])
        nearest[chosen] = -1.0  # duplicates have distance 0, and no image may be selected twice
    return order[np.sort(chosen)]
