"""How good a run is: its pictures against real ones."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pippin import measure
from pippin.errors import SettingsError
from pippin.measure import Scores
from pippin.pictures import prepare
from pippin.run import Run, is_run, open_run

MOST = 4096
"""Pictures of either side that are compared; of more, so many are drawn. Their products fill 400 MB."""

FEWEST = 8
"""Pictures below which no score means anything."""


def evaluate(
    subject: Any,
    against: Any = None,
    *,
    n: int = 2048,
    features: str = "efficientnet-lite0",
    image_size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Score pictures against real ones.

    Args:
        subject: a `Run`, a run's folder, or a source of pictures (see `pippin.train`).
        against: the source of the real ones; for a run, None means what it learnt from.
        n: how many pictures a run paints, from 8 to 4,096.
        features: "efficientnet-lite0", or "inception" (see `pippin.measure.features`).
        image_size: side at which two sources are compared, 64 where it is None; a run has its own.
        seed: of the pictures painted, of those drawn where there are too many, and of the interval.
        progress: told how many of a source's files were looked at.

    Returns:
        The scores.

    Raises:
        SettingsError: too few pictures, or too many asked for, or nothing to compare them with.
        PippinError: see `pippin.errors`: a source, a run or a network is not there.
    """
    if not FEWEST <= n <= MOST:
        raise SettingsError(f"n must be from {FEWEST} to {MOST:,}. Received: n={n}")
    if features not in measure.NETWORKS:
        raise SettingsError(f"features must be one of {', '.join(measure.NETWORKS)}. Received: features={features}")
    run = _as_run(subject)
    if against is None:
        if run is None:
            raise SettingsError(f"Say what to compare the pictures with (--against). Received: {subject}")
        against = run.about["source"]
    size = run.settings.image_size if run else image_size or 64
    references = _some(prepare(against, size, progress=progress).images, seed, against)
    painted = run.sample(n, seed) if run else _some(prepare(subject, size, progress=progress).images, seed, subject)
    return measure.score(
        measure.extract(painted, features), measure.extract(references, features), network=features, seed=seed
    )


def flattered(subject: Any, features: str) -> bool:
    """Say whether a run learnt from the same network's features that it is judged by."""
    run = _as_run(subject)
    return run is not None and run.settings.features == features


def _as_run(subject: Any) -> Run | None:
    if isinstance(subject, Run):
        return subject
    return open_run(subject) if isinstance(subject, str | os.PathLike) and is_run(Path(subject)) else None


def _some(images: np.ndarray, seed: int, source: Any) -> np.ndarray:
    if len(images) < FEWEST:
        raise SettingsError(f"Scores need at least {FEWEST} pictures. Received: {len(images)} in {source}")
    if len(images) <= MOST:
        return np.asarray(images)
    chosen = np.sort(np.random.default_rng(seed).choice(len(images), MOST, replace=False))
    return np.asarray(images[chosen])
