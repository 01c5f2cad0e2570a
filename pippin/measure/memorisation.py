"""A test for memorisation: whether generated images are copies of training images."""

from dataclasses import dataclass

import numpy as np

from pippin.measure.scores import require, unit_length

NEAR_QUANTILE = 0.05
"""Quantile of the reference distances below which an image counts as very near to a training image. Without
memorisation about the same share of the generated images is very near."""

COPIES_SHARE = 3 * NEAR_QUANTILE
"""Share of very near generated images above which some of them are reported as copies: three times what is expected."""

COPYING_Z = -5.0
"""Z below which the generated images as a whole are reported as memorised. Meehan et al. 2020 (arXiv 2004.05675) find
−5 and less for models that copy their training data."""


@dataclass(frozen=True)
class Memorisation:
    """Distances of generated images to the training set, beside those of images that were not trained on.

    Attributes:
        nearest: int64 (N,), the index of each generated image's nearest training image.
        distances: float64 (N,), the distance to it: 1 − cosine of the features, 0 to 2.
        real_distances: float64 (M,), the same for held-out images. If there are none: the distance of each training
            image to the nearest other one.
        held_out: whether `real_distances` are those of held-out images.
    """

    nearest: np.ndarray
    distances: np.ndarray
    real_distances: np.ndarray
    held_out: bool

    @property
    def very_near(self) -> np.ndarray:
        """Which generated images are nearer to a training image than all but 5% of the real ones are: bool (N,)."""
        return are_very_near(self.distances, self.real_distances)

    @property
    def very_near_share(self) -> float:
        """The share of generated images that are very near, 0 to 1."""
        return float(self.very_near.mean())

    @property
    def z(self) -> float:
        """The standardised Mann–Whitney U of both sets of distances: negative if generated images are nearer."""
        n, m = len(self.distances), len(self.real_distances)
        ordered = np.sort(self.real_distances)
        below = np.searchsorted(ordered, self.distances, "left")
        wins = (below + np.searchsorted(ordered, self.distances, "right")).sum() / 2  # a tie is half a win
        return float((wins - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        real = "held-out images are" if self.held_out else "training images are to each other"
        count, total = int(self.very_near.sum()), len(self.distances)
        figures = f"(Z = {self.z:.1f}; {count:,} of {total:,} very near)"
        if self.z < COPYING_Z:
            return f"The generator memorises training images: generated images are nearer to them than {real} {figures}"
        if self.very_near_share > COPIES_SHARE:
            return (
                f"Some generated images are copies: {count:,} of {total:,} are very near to training images, "
                f"{NEAR_QUANTILE:.0%} would be expected"
            )
        return f"No sign of memorisation: generated images are not nearer to the training images than {real} {figures}"


def memorisation(generated: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> Memorisation:
    """Find the nearest training image of each generated image, by the cosine distance of their features.

    Args:
        generated: features (N, D) of generated images, N at least 1.
        training: features (L, D) of training images, L at least 2.
        held_out: features (M, D) of images that were not trained on. M may be 0: training images are then compared
            with each other.

    Returns:
        A `Memorisation`.

    Raises:
        SettingsError: there are too few images.
    """
    require(1, "The memorisation test", generated=generated)
    require(2, "The memorisation test", training=training)
    generated, training, held_out = (unit_length(features) for features in (generated, training, held_out))
    between = 1 - generated @ training.T
    real = (1 - held_out @ training.T).min(axis=1) if len(held_out) else distances_to_others(training, len(training))
    nearest = between.argmin(axis=1)
    return Memorisation(nearest, between.min(axis=1), real, bool(len(held_out)))


def distances_to_others(features: np.ndarray, count: int) -> np.ndarray:
    """Return the cosine distances of the first `count` images to their nearest other ones.

    Args:
        features: features of length 1, (N, D).
        count: number of images, at most N.

    Returns:
        Float (count,).
    """
    between = 1 - features[:count] @ features.T
    np.fill_diagonal(between, np.inf)
    return between.min(axis=1)


def are_very_near(distances: np.ndarray, real_distances: np.ndarray) -> np.ndarray:
    """Return which distances to the training set are smaller than all but 5% of those of real images: bool (N,)."""
    return distances < np.quantile(real_distances, NEAR_QUANTILE)
