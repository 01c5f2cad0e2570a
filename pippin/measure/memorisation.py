"""Whether a generator paints new pictures or photographs that it has learnt by heart."""

from dataclasses import dataclass

import numpy as np

NEAR = 0.05
"""Share of real pictures that count as near to a learnt one; so many painted ones would too, if none were copied."""

SOME = 3 * NEAR
"""Share of painted pictures that near to a learnt one from which on some are called copies."""

COPYING = -5.0
"""Z below which painted pictures as a whole are nearer than real ones (Meehan et al. 2020 find −5 and less where data
were copied, arXiv 2004.05675)."""


@dataclass(frozen=True)
class Memorisation:
    """How near painted pictures lie to those that were learnt from, beside how near real ones do that were not.

    Attributes:
        nearest: int64 (N,), for each painted picture the nearest learnt one.
        distances: float64 (N,), how far that is: 1 − cosine of their features, 0 to 2.
        real_distances: float64 (M,), the same for pictures that were held out; where none were, for each learnt
            picture to the nearest other one.
        held_out: whether some were.
    """

    nearest: np.ndarray
    distances: np.ndarray
    real_distances: np.ndarray
    held_out: bool

    @property
    def very_near(self) -> np.ndarray:
        """Which of the painted pictures are nearer than all but a twentieth of the real ones: bool (N,)."""
        return self.distances < np.quantile(self.real_distances, NEAR)

    @property
    def near(self) -> float:
        """Their share, 0 to 1."""
        return float(self.very_near.mean())

    @property
    def z(self) -> float:
        """Mann–Whitney's U of both sets of distances, standardised: below 0 where painted pictures are the nearer."""
        n, m = len(self.distances), len(self.real_distances)
        ordered = np.sort(self.real_distances)
        below = np.searchsorted(ordered, self.distances, "left")
        wins = (below + np.searchsorted(ordered, self.distances, "right")).sum() / 2  # a tie is half a win
        return float((wins - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        real = "held-out ones" if self.held_out else "they are to each other"
        count, total = round(self.near * len(self.distances)), len(self.distances)
        if self.z < COPYING:
            return (
                "It has learnt pictures by heart: what it paints is nearer to them than "
                f"{real} (Z = {self.z:.1f}; {count} of {total:,} very near)"
            )
        if self.near > SOME:
            return f"Some are copies: {count} of {total:,} are very near to learnt ones, {NEAR:.0%} would be by chance"
        return (
            f"No sign of copying: what it paints is not nearer to the learnt pictures than {real} "
            f"(Z = {self.z:.1f}; {count} of {total:,} very near)"
        )


def memorisation(painted: np.ndarray, learnt: np.ndarray, held_out: np.ndarray) -> Memorisation:
    """Look for each painted picture's nearest learnt one.

    Args:
        painted: features (N, D).
        learnt: features (L, D) of pictures that were learnt from, at least 2.
        held_out: features (M, D) of pictures that were not; M may be 0.
    """
    painted, learnt, held_out = (_unit(features) for features in (painted, learnt, held_out))
    between = 1 - painted @ learnt.T
    if len(held_out):
        real = (1 - held_out @ learnt.T).min(axis=1)
    else:
        others = 1 - learnt @ learnt.T
        np.fill_diagonal(others, np.inf)
        real = others.min(axis=1)
    nearest = between.argmin(axis=1)
    return Memorisation(nearest, between.min(axis=1), real, bool(len(held_out)))


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
