"""Outlier detection: images that are far from all others in feature space."""

import numpy as np

NEIGHBOURS = 5
"""Number of nearest neighbours that an image is compared with. It is small, so that a small group of similar images
does not count as outliers."""

MIN_IMAGES = 50
"""Smallest number of images for which outliers are searched. With fewer, the median and its deviation mean little."""

THRESHOLD = 3.0
"""Score from which on an image counts as an outlier, in robust standard deviations above the median distance.

It was checked by visual inspection at 64×64. Of 1,151 different images of apples from an image search, 14 lie beyond
it. Eight do not belong there (two drawings, a framed one, foliage, an orchard, hands, two signs), six are only rare
arrangements of apples. Of 122 other images 2 lie beyond it, one of each kind. So the outliers are a list
for the user to check, and never a reason to leave an image out."""

BLOCK = 512
"""Number of images that are compared with all others at a time. It bounds memory: BLOCK · N similarities."""


def outlier_scores(features: np.ndarray) -> np.ndarray:
    """Return how far each image is from its nearest neighbours, relative to what is usual in the set.

    Args:
        features: float array of shape `(N, D)`, `N` greater than `NEIGHBOURS`.

    Returns:
        float64 array of shape `(N,)`: the mean cosine distance to the `NEIGHBOURS` nearest neighbours, minus its
        median, in robust standard deviations (1.4826 times the median absolute deviation). All scores are 0 if that
        deviation is 0.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    distances = np.empty(len(unit))
    for start in range(0, len(unit), BLOCK):
        similarity = unit[start : start + BLOCK] @ unit.T
        similarity[np.arange(len(similarity)), np.arange(start, start + len(similarity))] = -np.inf  # itself
        nearest = np.partition(similarity, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
        distances[start : start + BLOCK] = 1 - nearest.mean(axis=1)
    deviations = distances - np.median(distances)
    spread = 1.4826 * np.median(np.abs(deviations))
    return deviations / spread if spread > 1e-12 else np.zeros_like(deviations)
