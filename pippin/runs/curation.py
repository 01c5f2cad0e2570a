"""The best of many painted pictures, chosen by what a network sees in them and real ones. It is always said."""

from dataclasses import dataclass

import numpy as np

from pippin import measure
from pippin.engines.inference import Progress, no_progress
from pippin.errors import PippinError, SettingsError
from pippin.pictures import prepare
from pippin.runs.run import Run
from pippin.sampling.seeds import seeds_from
from pippin.settings import SCORING_NETWORK

TIMES = 4
"""Pictures that are painted for each that is kept."""

FEWEST = 16
"""Pictures that are painted at the least: of fewer, nearness says nothing."""

MOST = 1024
"""Pictures that are kept at the most, and real ones that they are compared with."""


@dataclass(frozen=True)
class Curated:
    """What `curate` chose.

    Attributes:
        seeds: of the chosen pictures, the best first.
        images: uint8 (n, S, S, C), those pictures.
        how: one sentence that says how they were chosen, and among how many.
    """

    seeds: list[int]
    images: np.ndarray
    how: str


def curate(
    run: Run,
    n: int = 64,
    seed: int = 0,
    *,
    truncation: float = 1.0,
    label: str | None = None,
    progress: Progress = no_progress,
) -> Curated:
    """Paint four times as many pictures as are wanted, and keep the best that differ from each other.

    The half that looks most real stays, by the realism score of Kynkäänniemi et al. 2019 (arXiv 1904.06991); of that
    half those are kept that lie farthest from each other. Pictures that are very near to one that the run learnt from
    are no candidates, so that copies are not taken for the best. Where the real pictures are not at hand, those stay
    that are nearest to others that the run paints, and the sentence says so.

    Args:
        run: whose pictures.
        n: how many to keep, 1 to 1,024.
        seed: of the first one painted; the others have the seeds after it.
        truncation, label: see `Run.sample`.
        progress: told how many are painted, and looked at, of how many.

    Returns:
        A `Curated`.

    Raises:
        SettingsError: `n`, `seed` or `truncation` out of range.
        RunError: the run has no checkpoint, or a damaged one.
    """
    if not 1 <= n <= MOST:
        raise SettingsError(f"Curate from 1 to {MOST:,} pictures. Received: n={n}")
    seeds = seeds_from(seed, max(FEWEST, TIMES * n))
    learnt, held_out, missing = _real(run)
    steps = _Steps(progress, 2 * len(seeds) + len(learnt) + len(held_out))
    images = run.sample(seeds=seeds, truncation=truncation, label=label, progress=steps.next(len(seeds)))
    features = _seen(images, steps)
    copies = np.zeros(len(seeds), bool)
    if missing:
        scores = measure.commonness(features)
        kind = f"nearness to others that it paints, since {missing}"
    else:
        known, apart = _seen(learnt, steps), _seen(held_out, steps)
        scores = measure.realism(features, known)
        kind = f"realism among {len(learnt):,} real ones (arXiv 1904.06991)"
        very_near = measure.memorisation(features, known, apart).very_near
        if len(seeds) - very_near.sum() >= n:  # a run that knows its pictures by heart paints little else
            copies = very_near
    chosen = measure.select_best(features, np.where(copies, -np.inf, scores), n)
    left_out = f"; {copies.sum():,} very near to learnt ones were left out" if copies.any() else ""
    how = (
        f"Curated: of {len(seeds):,} painted, the better half by {kind}, and {n:,} of those that differ most{left_out}"
    )
    return Curated([seeds[index] for index in chosen], images[chosen], how)


def _real(run: Run) -> tuple[np.ndarray, np.ndarray, str]:
    """Return some of the pictures that the run learnt from and of those held out, or none and the reason why."""
    source, size = run.about["source"], run.settings.image_size
    nothing = np.zeros((0, size, size, 3), np.uint8)
    if source.startswith("array:"):
        return nothing, nothing, "the run learnt from an array, which is not on disk"
    try:
        dataset = prepare(source, size, preparation=run.folder.preparation)
    except PippinError:
        return nothing, nothing, f"what it learnt from is not at hand ({source})"
    if dataset.fingerprint != run.about["fingerprint"]:
        return nothing, nothing, f"{source} holds other pictures than it learnt from"
    learnt, held_out = dataset.split(run.settings.held_out)
    if len(learnt) < FEWEST:
        return nothing, nothing, f"the {len(learnt)} that it learnt from are too few"
    apart = held_out.sample(MOST) if len(held_out) >= measure.MIN_REFERENCES else nothing
    return learnt.sample(MOST), apart, ""


class _Steps:
    """Tells of several pieces of work as of one."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.before = progress, total, 0

    def next(self, count: int) -> Progress:
        """Return whom to tell of the next piece."""
        before, self.before = self.before, self.before + count
        return lambda done, _: self.progress(before + done, self.total)


def _seen(images: np.ndarray, steps: _Steps) -> np.ndarray:
    """What `measure.extract` sees, with progress; (0, 1) where there is nothing to see."""
    told, found = steps.next(len(images)), []
    for start in range(0, len(images), measure.BATCH_SIZE):
        found.append(measure.extract(images[start : start + measure.BATCH_SIZE], SCORING_NETWORK))
        told(min(start + measure.BATCH_SIZE, len(images)), len(images))
    return np.concatenate(found) if found else np.zeros((0, 1))
