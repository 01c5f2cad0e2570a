"""Curation: the best of many generated images, chosen by their features. A curated picture always says so."""

from dataclasses import dataclass

import numpy as np

from pippin import measure
from pippin.engines.inference import Progress, no_progress
from pippin.errors import PippinError
from pippin.pictures import prepare
from pippin.runs.run import Run
from pippin.sampling.seeds import seeds_from
from pippin.settings import SCORING_NETWORK, check_integer

RATIO = 4
"""Generated images per chosen image: enough to leave out the worse half, and to choose different ones of the rest."""

FEWEST = 16
"""Smallest number of generated images and of training images. The nearest neighbours of fewer say little."""

MOST = 1024
"""Largest number of chosen images, and of real images that they are compared with. It bounds time and memory."""


@dataclass(frozen=True)
class Curated:
    """The result of `curate`.

    Attributes:
        seeds: the seeds of the chosen images, the best first.
        images: uint8 (n, S, S, C), the chosen images.
        summary: one sentence about how they were chosen, and from how many.
    """

    seeds: list[int]
    images: np.ndarray
    summary: str


def curate(
    run: Run,
    n: int = 64,
    seed: int = 0,
    *,
    truncation: float = 1.0,
    label: str | None = None,
    progress: Progress = no_progress,
) -> Curated:
    """Generate four times as many images as are needed, and choose the best that differ from each other.

    First the half with the higher realism score (Kynkäänniemi et al. 2019, arXiv 1904.06991) is kept, then the images
    of this half that are farthest from each other. Images that are very near to a training image are excluded, so that
    copies are not chosen as the best. If the training images are not available, the score is the nearness to other
    generated images, and the summary says so.

    Args:
        run: the run that generates the images.
        n: number of images to choose, from 1 to 1,024.
        seed: seed of the first generated image; the others have the seeds after it.
        truncation: see `Run.sample`.
        label: see `Run.sample`.
        progress: Called as `progress(done, total)` with the number of images generated and compared.

    Returns:
        See `Curated`.

    Raises:
        SettingsError: an argument has the wrong type or is out of range.
        RunError: the run has no checkpoint, or a damaged one.
    """
    n = check_integer("n", n, 1, MOST)
    seeds = seeds_from(seed, max(FEWEST, RATIO * n))
    training_images, held_out, missing = _real_images(run)
    total = _TotalProgress(progress, 2 * len(seeds) + len(training_images) + len(held_out))
    images = run.sample(seeds=seeds, truncation=truncation, label=label, progress=total.part(len(seeds)))
    features = _extract(images, total)
    copies = np.zeros(len(seeds), bool)
    if missing:
        scores = measure.commonness(features)
        kind = f"the half nearest to other generated images (since {missing})"
    else:
        training_features, held_out_features = _extract(training_images, total), _extract(held_out, total)
        scores = measure.realism(features, training_features)
        kind = f"the half with the higher realism score against {len(training_images):,} real images (arXiv 1904.06991)"
        very_near = measure.memorisation(features, training_features, held_out_features).very_near
        if len(seeds) - very_near.sum() >= n:  # a run that memorised its training images generates little else
            copies = very_near
    chosen = measure.select_best(features, np.where(copies, -np.inf, scores), n)
    excluded = f"; {copies.sum():,} very near to training images were excluded" if copies.any() else ""
    summary = f"Curated: of {len(seeds):,} generated images, {kind}, and of these the {n:,} that differ most{excluded}"
    return Curated([seeds[index] for index in chosen], images[chosen], summary)


def _real_images(run: Run) -> tuple[np.ndarray, np.ndarray, str]:
    """Return images of the training set and of the held-out set, and ""; or no images and the reason why."""
    source, size = run.about["source"], run.settings.image_size
    none = np.zeros((0, size, size, 3), np.uint8)
    if source.startswith("array:"):
        return none, none, "the run was trained on an array, which is not on disk"
    try:
        dataset = prepare(source, size, preparation=run.folder.preparation)
    except PippinError:
        return none, none, f"the training images are not available ({source})"
    if dataset.fingerprint != run.about["fingerprint"]:
        return none, none, f"{source} holds other pictures than the run was trained on"
    training_set, held_out = dataset.split(run.settings.held_out)
    if len(training_set) < FEWEST:
        return none, none, f"the {len(training_set)} training images are too few"
    return training_set.sample(MOST), held_out.sample(MOST) if len(held_out) >= measure.MIN_REFERENCES else none, ""


class _TotalProgress:
    """The progress of several tasks as one.

    Args:
        progress: Called as `progress(done, total)` for all tasks together.
        total: number of images in all tasks.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def part(self, count: int) -> Progress:
        """Return the progress function of the next task, with `count` images."""
        before, self.done = self.done, self.done + count
        return lambda done, _: self.progress(before + done, self.total)


def _extract(images: np.ndarray, total: _TotalProgress) -> np.ndarray:
    """Return the features of images, and report progress; (0, 1) if there are no images."""
    report, parts = total.part(len(images)), []
    for start in range(0, len(images), measure.BATCH_SIZE):
        parts.append(measure.extract(images[start : start + measure.BATCH_SIZE], SCORING_NETWORK))
        report(min(start + measure.BATCH_SIZE, len(images)), len(images))
    return np.concatenate(parts) if parts else np.zeros((0, 1))
