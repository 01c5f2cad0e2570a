"""Scores between two sets of features. All in float64, whatever the engine."""

import math
from dataclasses import dataclass

import numpy as np

FEW = 2048
"""Pictures below which an FID says more about their number than about them (Heusel et al. 2017 advise 10,000)."""

NEIGHBOURS = 3
"""k of improved precision and recall, as in the paper."""

RESAMPLES = 200
"""Bootstrap samples behind the interval of KID."""


@dataclass(frozen=True)
class Scores:
    """What `score` found.

    Attributes:
        network: whose features were compared.
        painted: pictures that were judged.
        references: pictures that they were compared with.
        kid: kernel inception distance; 0 is the same distribution, and about 0 may be a little below it.
        kid_interval: 95% of a bootstrap over the pictures lies within.
        fid: Fréchet inception distance.
        precision: share of the painted pictures that lie among the references, 0 to 1.
        recall: share of the references that lie among the painted pictures, 0 to 1.
    """

    network: str
    painted: int
    references: int
    kid: float
    kid_interval: tuple[float, float]
    fid: float
    precision: float
    recall: float

    def lines(self) -> list[str]:
        """Say it to people."""
        low, high = self.kid_interval
        few = min(self.painted, self.references)
        warning = f" (of few pictures, so too high: compare it only at {few:,})" if few < FEW else ""
        return [
            f"{self.painted:,} pictures against {self.references:,}, by what {self.network} sees in them",
            f"KID        {self.kid:.4f}  (95% of resamplings: {low:.4f} to {high:.4f}; 0 is the same)",
            f"FID        {self.fid:.1f}{warning}",
            f"precision  {self.precision:.2f}  (how many of them look like a reference)",
            f"recall     {self.recall:.2f}  (how many of the references they reach)",
        ]


def score(painted: np.ndarray, references: np.ndarray, network: str, seed: int = 0) -> Scores:
    """Compute every score.

    Args:
        painted: features (N, D), at least 4 of them.
        references: features (M, D), at least 4.
        network: where the features come from.
        seed: of the bootstrap.
    """
    value, interval = kid(painted, references, seed)
    precision, recall = precision_and_recall(painted, references)
    return Scores(
        network=network,
        painted=len(painted),
        references=len(references),
        kid=value,
        kid_interval=interval,
        fid=fid(painted, references),
        precision=precision,
        recall=recall,
    )


def kid(painted: np.ndarray, references: np.ndarray, seed: int = 0) -> tuple[float, tuple[float, float]]:
    """Kernel inception distance: the unbiased squared MMD with k(x, y) = (xᵀy / D + 1)³ (arXiv 1801.01401).

    The interval is a bootstrap over the pictures of both sets, in which no picture is compared with itself.

    Args:
        painted: (N, D).
        references: (M, D).
        seed: of the bootstrap.

    Returns:
        The distance, and the 2.5% and 97.5% quantiles of the resamplings.
    """
    within_painted, within_references, between = (
        (a @ b.T / a.shape[1] + 1) ** 3
        for a, b in ((painted, painted), (references, references), (painted, references))
    )
    np.fill_diagonal(within_painted, 0)
    np.fill_diagonal(within_references, 0)

    def distance(v: np.ndarray, w: np.ndarray) -> float:
        """With each picture counted so many times."""
        pairs_v, pairs_w = v.sum() ** 2 - (v**2).sum(), w.sum() ** 2 - (w**2).sum()
        own = v @ within_painted @ v / pairs_v + w @ within_references @ w / pairs_w
        return float(own - 2 * (v @ between @ w) / (v.sum() * w.sum()))

    n, m = between.shape
    rng = np.random.default_rng(seed)
    drawn = [distance(_resample(rng, n), _resample(rng, m)) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return distance(np.ones(n), np.ones(m)), (float(low), float(high))


def _resample(rng: np.random.Generator, n: int) -> np.ndarray:
    """How often each of `n` pictures is drawn in `n` draws; never the same one every time, which makes no pair."""
    while True:
        counts = np.bincount(rng.integers(n, size=n), minlength=n)
        if counts.max() < n:
            return counts


def fid(painted: np.ndarray, references: np.ndarray) -> float:
    """Fréchet inception distance, ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (Heusel et al. 2017, arXiv 1706.08500).

    With X and Y the centred features over √(N − 1) and √(M − 1), tr (Σ₁Σ₂)^½ is the sum of the singular values of XYᵀ,
    so no root of a matrix is taken, which for fewer pictures than features is unstable. R_X R_Yᵀ, from X = Q_X R_X, has
    the same ones and is never larger than D × D.

    Args:
        painted: (N, D).
        references: (M, D).
    """
    means = painted.mean(axis=0), references.mean(axis=0)
    x, y = (
        (features - mean) / math.sqrt(len(features) - 1)
        for features, mean in zip((painted, references), means, strict=True)
    )
    r_x, r_y = (np.asarray(np.linalg.qr(features, mode="r")) for features in (x, y))
    shared = np.linalg.svd(r_x @ r_y.T, compute_uv=False).sum()
    return float(((means[0] - means[1]) ** 2).sum() + (x**2).sum() + (y**2).sum() - 2 * shared)


def diversity(features: np.ndarray) -> float:
    """Return how far pictures lie from each other: the mean of 1 − cosine over all pairs of features (N, D), N ≥ 2."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    count = len(unit)
    return float(1 - ((unit.sum(axis=0) ** 2).sum() - (unit**2).sum()) / (count * (count - 1)))


def precision_and_recall(painted: np.ndarray, references: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).

    A picture lies among a set if it is no further from one of its pictures than that one's k-th neighbour.

    Args:
        painted: (N, D).
        references: (M, D).
        k: which neighbour; fewer than pictures in either set.

    Returns:
        The share of `painted` among `references`, and of `references` among `painted`.
    """
    between = squared_distances(painted, references)
    reach_painted, reach_references = (
        np.partition(squared_distances(features, features), k, axis=1)[:, k] for features in (painted, references)
    )
    precision = (between <= reach_references[None, :]).any(axis=1).mean()
    recall = (between <= reach_painted[:, None]).any(axis=0).mean()
    return float(precision), float(recall)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ‖aᵢ − bⱼ‖² of all pairs of (N, D) and (M, D): (N, M)."""
    return np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T, 0)
