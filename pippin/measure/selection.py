"""Choosing among painted pictures: those that look most like real ones, without their becoming alike."""

import numpy as np

from pippin.measure.scores import NEIGHBOURS, squared_distances


def realism(painted: np.ndarray, references: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Realism score (Kynkäänniemi et al. 2019, arXiv 1904.06991, equation 4).

    R(φ) = max over references φᵣ of ‖φᵣ − its k-th neighbour‖ / ‖φ − φᵣ‖. From 1 on a picture lies among the
    references. As in the paper, the half of the references that have the farthest neighbours is left out: outliers are
    near to anything.

    Args:
        painted: features (N, D).
        references: features (M, D), M > k.
        k: which neighbour.

    Returns:
        float64 (N,), from 0.
    """
    reach = np.partition(squared_distances(references, references), k, axis=1)[:, k]
    dense = reach <= np.median(reach)
    between = squared_distances(painted, references[dense])
    return np.sqrt((reach[dense] / np.maximum(between, 1e-12)).max(axis=1))


def commonness(painted: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Say how near pictures lie to others of the same set, where there are no real ones to compare them with.

    Args:
        painted: features (N, D), N > k.
        k: which neighbour.

    Returns:
        float64 (N,): the negative distance to the k-th nearest other one, so the highest are amid many.
    """
    return -np.sqrt(np.partition(squared_distances(painted, painted), k, axis=1)[:, k])


def best(features: np.ndarray, scores: np.ndarray, n: int) -> np.ndarray:
    """Choose pictures that score high and differ from each other.

    The best half of the pictures stay (or n of them, if that is more). The one that scores highest is chosen, and then
    always the one that is farthest from all that are chosen (Gonzalez 1985), until there are n.

    Args:
        features: (N, D).
        scores: (N,), higher is better; those at −∞ are chosen last.
        n: how many, from 1 to N.

    Returns:
        int64 (n,), which pictures, the best first.
    """
    order = np.argsort(-scores, kind="stable")[: max(n, int(np.isfinite(scores).sum() + 1) // 2)]
    distances = squared_distances(features[order], features[order])
    chosen = [0]
    apart = distances[0].copy()
    apart[0] = -1.0
    while len(chosen) < n:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, distances[chosen[-1]])
        apart[chosen] = -1.0  # twins lie at 0 from each other, and none is chosen twice
    return order[np.sort(chosen)]
