"""Scores between two sets of features. They are computed in float64 with NumPy, so no engine changes them."""

import math
from dataclasses import dataclass

import numpy as np

from pippin.errors import SettingsError

FID_IMAGES = 2048
"""Number of images below which FID is reported with a warning: its bias then depends more on that number than on the
images. (Heusel et al. 2017 advise 10,000.)"""

NEIGHBOURS = 3
"""k of improved precision and recall, as in the paper."""

RESAMPLES = 200
"""Bootstrap samples for the interval of KID."""

MIN_REFERENCES = 32
"""Fewest held-out images that are used as references; with fewer, training images are the references. It is also the
fewest references of a checkup. With 32 of them, recall changes in steps of 3%."""


@dataclass(frozen=True)
class Scores:
    """The result of `score`.

    Attributes:
        network: the network whose features were compared.
        generated: number of images that were scored.
        references: number of images that they were compared with.
        kid: kernel inception distance. It is unbiased: two samples of one distribution have about 0, or slightly less.
        kid_interval: 95% bootstrap interval of KID over the images.
        fid: Fréchet inception distance.
        precision: share of the generated images that lie within the references' manifold, 0 to 1.
        recall: share of the references that lie within the generated images' manifold, 0 to 1.
    """

    network: str
    generated: int
    references: int
    kid: float
    kid_interval: tuple[float, float]
    fid: float
    precision: float
    recall: float

    def lines(self) -> list[str]:
        """Return the scores as lines of text."""
        low, high = self.kid_interval
        smaller = min(self.generated, self.references)
        warning = f"  (too high, as always for few images: compare only with FIDs at {smaller:,})"
        return [
            f"{self.generated:,} images against {self.references:,} reference images, by features of {self.network}",
            f"KID        {self.kid:.4f}  (95% bootstrap interval: {low:.4f} to {high:.4f}; 0: same distribution)",
            f"FID        {self.fid:.1f}{warning if smaller < FID_IMAGES else ''}",
            f"precision  {self.precision:.2f}  (share of the images that look like a reference)",
            f"recall     {self.recall:.2f}  (share of the references that are covered)",
        ]


def score(generated: np.ndarray, references: np.ndarray, network: str, seed: int = 0) -> Scores:
    """Compute all scores of one set of features against another.

    Args:
        generated: features (N, D), N at least 4.
        references: features (M, D), M at least 4.
        network: the network that computed the features.
        seed: of the bootstrap.

    Returns:
        The `Scores`.

    Raises:
        SettingsError: there are too few images.
    """
    precision, recall = precision_and_recall(generated, references)
    value, interval = kid(generated, references, seed)
    return Scores(
        network=network,
        generated=len(generated),
        references=len(references),
        kid=value,
        kid_interval=interval,
        fid=fid(generated, references),
        precision=precision,
        recall=recall,
    )


def require(minimum: int, what: str, **sets: np.ndarray) -> None:
    """Raise a `SettingsError` if one of the named sets has fewer than `minimum` images.

    Args:
        minimum: fewest images of each set.
        what: what is to be computed, the subject of the message.
        **sets: arrays of N rows, by the name that the message uses.
    """
    for name, features in sets.items():
        if len(features) < minimum:
            noun = "image" if minimum == 1 else "images"
            raise SettingsError(f"{what} needs at least {minimum} {noun}; use more. Received: {name}={len(features)}")


def kid(generated: np.ndarray, references: np.ndarray, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Compute the kernel inception distance: the unbiased squared MMD with k(x, y) = (xᵀy / D + 1)³ (arXiv 1801.01401).

    The interval is a bootstrap over the images of both sets. An image is never compared with itself.

    Args:
        generated: features (N, D), N at least 2.
        references: features (M, D), M at least 2.
        seed: of the bootstrap.

    Returns:
        The distance, and the 2.5% and 97.5% quantiles of the bootstrap.

    Raises:
        SettingsError: there are too few images.
    """
    require(2, "KID", generated=generated, references=references)
    within_generated, within_references, between = (
        (a @ b.T / a.shape[1] + 1) ** 3
        for a, b in ((generated, generated), (references, references), (generated, references))
    )
    np.fill_diagonal(within_generated, 0)
    np.fill_diagonal(within_references, 0)

    def distance(v: np.ndarray, w: np.ndarray) -> float:
        """Return KID with each generated image counted v times and each reference w times."""
        pairs_v, pairs_w = v.sum() ** 2 - (v**2).sum(), w.sum() ** 2 - (w**2).sum()
        own = v @ within_generated @ v / pairs_v + w @ within_references @ w / pairs_w
        return float(own - 2 * (v @ between @ w) / (v.sum() * w.sum()))

    n, m = between.shape
    rng = np.random.default_rng(seed)
    resampled = [distance(_resample(rng, n), _resample(rng, m)) for _ in range(RESAMPLES)]
    low, high = np.quantile(resampled, (0.025, 0.975))
    return distance(np.ones(n), np.ones(m)), (float(low), float(high))


def _resample(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return how often each of `n` images, at least 2, is drawn in `n` draws, with two different ones among them."""
    while True:
        counts = np.bincount(rng.integers(n, size=n), minlength=n)
        if counts.max() < n:  # n draws of one image contain no pair
            return counts


def fid(generated: np.ndarray, references: np.ndarray) -> float:
    """Compute the Fréchet inception distance, ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (arXiv 1706.08500).

    With X and Y the centred features over √(N − 1) and √(M − 1), tr (Σ₁Σ₂)^½ is the sum of the singular values of XYᵀ.
    This avoids the square root of a matrix, which is unstable for fewer images than features. With X = Q_X R_X,
    R_X R_Yᵀ has the same singular values and is at most D × D.

    Args:
        generated: features (N, D), N at least 2.
        references: features (M, D), M at least 2.

    Raises:
        SettingsError: there are too few images.
    """
    require(2, "FID", generated=generated, references=references)
    means = generated.mean(axis=0), references.mean(axis=0)
    x, y = (
        (features - mean) / math.sqrt(len(features) - 1)
        for features, mean in zip((generated, references), means, strict=True)
    )
    r_x, r_y = (np.asarray(np.linalg.qr(features, mode="r")) for features in (x, y))
    shared = np.linalg.svd(r_x @ r_y.T, compute_uv=False).sum()
    return float(((means[0] - means[1]) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * shared)


def diversity(features: np.ndarray) -> float:
    """Compute how much images differ from each other: the mean of 1 − cosine over all pairs of features (N, D).

    Raises:
        SettingsError: there are fewer than 2 images.
    """
    require(2, "Diversity", images=features)
    unit = unit_length(features)
    count = len(unit)
    return float(1 - ((unit.sum(axis=0) ** 2).sum() - (unit**2).sum()) / (count * (count - 1)))


def unit_length(features: np.ndarray) -> np.ndarray:
    """Return features (N, D) with each row scaled to length 1."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def precision_and_recall(generated: np.ndarray, references: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Compute improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).

    An image lies within a set's manifold if its distance to one of the set's images is at most that image's distance to
    its own k-th nearest neighbour in the set.

    Args:
        generated: features (N, D), N > k.
        references: features (M, D), M > k.
        k: which neighbour.

    Returns:
        The share of `generated` within the manifold of `references`, and of `references` within that of `generated`.

    Raises:
        SettingsError: a set has k images or fewer.
    """
    require(k + 1, "Precision", generated=generated, references=references)
    between = squared_distances(generated, references)
    generated_radius, reference_radius = (
        np.partition(squared_distances(features, features), k, axis=1)[:, k] for features in (generated, references)
    )
    precision = (between <= reference_radius[None, :]).any(axis=1).mean()
    recall = (between <= generated_radius[:, None]).any(axis=0).mean()
    return float(precision), float(recall)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ‖aᵢ − bⱼ‖² of all pairs of (N, D) and (M, D): (N, M)."""
    return np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T, 0)
