"""Evaluation of a run or a source: scores against real images, colours, and a test for memorisation."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pippin import measure
from pippin.errors import SettingsError, SourceError
from pippin.measure import MIN_REFERENCES, Colours, Memorisation, Scores, colours
from pippin.measure.colours import comparison_lines
from pippin.pictures import Dataset, Subset, prepare
from pippin.runs.run import Run, is_run, open_run
from pippin.settings import SCORING_NETWORK, check_image_size, check_integer
from pippin.show import grid

MAX_IMAGES = 4096
"""Largest number of images of one set. Of a larger set a random sample of this size is used. The matrices of all pairs
of two such sets take 400 MB."""

MIN_IMAGES = 8
"""Smallest number of images of one set. Precision and recall need 4; with 8 they change in steps of 12%."""

PAIRS = 24
"""Number of generated images on the sheet of nearest training images: three rows of eight."""


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes:
        scores: scores of the images against the reference images.
        colours: colour statistics of the images, and of the reference images.
        locked: share of the fine detail that is the same at the same place in all images, of the images and of the
            reference images; see `pippin.measure.locked`.
        references: what a run's images were compared with: "held-out set", "training set", or "" for images of another
            source.
        held_out: number of images held out of the run's training; None if the references are of another source.
        biased: whether the run was trained with the features that the scores compare.
        memorisation: result of the memorisation test; None if the training set is not known.
        pairs: uint8 (H, W, 3), a sheet with the nearest pairs first: each generated image above its nearest training
            image; None if `memorisation` is None.
    """

    scores: Scores
    colours: tuple[Colours, Colours]
    locked: tuple[float, float]
    references: Literal["", "held-out set", "training set"] = ""
    held_out: int | None = None
    biased: bool = False
    memorisation: Memorisation | None = None
    pairs: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the text as values that JSON can hold. Its keys are part of the format of runs."""
        generated, real = (dataclasses.asdict(each) for each in self.colours)
        scores = dataclasses.asdict(self.scores)
        result = {
            "lines": self.lines(),
            "references": self.references,
            "flattered": self.biased,
            "scores": {"painted" if name == "generated" else name: value for name, value in scores.items()},
            "colours": {"painted": generated, "real": real},
            "locked": dict(zip(("painted", "real"), self.locked, strict=True)),
        }
        if self.memorisation:
            result["memorisation"] = {"near": self.memorisation.very_near_share, "z": self.memorisation.z}
        return result

    def lines(self) -> list[str]:
        """Return the result as lines of text for the user."""
        first, *others = self.scores.lines()
        lines = [f"{first}; the references are the {self.references}" if self.references else first, *others]
        if self.references == "training set" and self.held_out:
            are = "image is" if self.held_out == 1 else "images are"
            lines.append(
                f"Only {self.held_out} {are} held out, fewer than {MIN_REFERENCES}, so the references are training "
                "images: these scores do not detect memorisation"
            )
        if self.biased:
            network = self.scores.network
            lines.append(f"The scores are biased: the run was trained with features of {network} (arXiv 2203.06026)")
        lines.append(
            f"locked     {self.locked[0]:.2f}  (share of fine detail that is at the same place in all images; "
            f"references: {self.locked[1]:.2f})"
        )
        lines += comparison_lines(*self.colours)
        if self.memorisation:
            lines.append(self.memorisation.verdict)
        return lines


def evaluate(
    subject: Any,
    against: Any = None,
    *,
    n: int = 2048,
    features: str = SCORING_NETWORK,
    image_size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score a run's generated images, or the images of a source, against real images.

    The references of a run are the images that were held out of its training. If fewer than 32 were held out, they are
    training images. The result for a run is also saved in its folder, as `evaluation.json` and `nearest.png`.

    Args:
        subject: a `Run`, the folder of a run, or a source of pictures (see `pippin.train`).
        against: source of the real images. For a run, None means the source that it was trained on.
        n: number of images that a run generates, 8 to 4,096.
        features: network whose features are compared: "efficientnet-lite1", "efficientnet-lite0" or "inception" (see
            `pippin.measure.features`). The discriminator of `standard` uses "efficientnet-lite0", so scores by that one
            are biased.
        image_size: side in pixels at which two sources are compared; 64 if None. A run has its own.
        seed: seed of the generated images, of random samples of large sets, and of the bootstrap.
        progress: called as `progress(done, total)` after each file of a source.

    Returns:
        An `Evaluation`.

    Raises:
        SettingsError: `n` or `features` is invalid, there are too few images, or no references are given.
        PippinError: a source, a run or a network is missing; see `pippin.errors`.
    """
    if not MIN_IMAGES <= n <= MAX_IMAGES:
        raise SettingsError(f"n must be from {MIN_IMAGES} to {MAX_IMAGES:,}. Received: n={n}")
    if features not in measure.NETWORKS:
        raise SettingsError(f"features must be one of {', '.join(measure.NETWORKS)}. Received: features={features}")
    check_integer("seed", seed, 0)
    if image_size is not None:
        check_image_size(image_size)
    run = _opened(subject)
    if run is None:
        if against is None:
            raise SettingsError(f"Give a source to compare with (--against). Received: {subject}")
        datasets = [prepare(source, image_size or 64, progress=progress) for source in (subject, against)]
        return _compare_sources(datasets, features, seed)
    source = run.about["source"] if against is None else against
    if against is None and source.startswith("array:"):
        raise SettingsError(
            f"The run was trained on an array, which is not on disk; give it again. Received: {run.path}"
        )
    try:
        dataset = prepare(source, run.settings.image_size, progress=progress, preparation=run.folder.preparation)
    except SourceError as problem:
        if against is not None:
            raise
        raise SourceError(
            "The pictures that the run was trained on cannot be used; if they have moved, name their new place with "
            f"--against (in Python: against=…). {problem}"
        ) from None
    result = _evaluate_run(run, dataset, n, features, seed)
    run.folder.save_evaluation({"batches": run.batches, **result.to_dict()}, result.pairs)
    return result


def _compare_sources(datasets: list[Dataset], features: str, seed: int) -> Evaluation:
    """Return the evaluation of one dataset's images against another's."""
    images, references = (_sample(dataset.split(0)[0], seed, dataset) for dataset in datasets)
    scores = _score(measure.extract(images, features), measure.extract(references, features), features, seed)
    return Evaluation(scores, *_pixel_statistics(images, references))


def _evaluate_run(run: Run, dataset: Dataset, n: int, features: str, seed: int) -> Evaluation:
    """Return the evaluation of a run's images against its own dataset's, or against another's."""
    labels = frequent_labels(dataset, n, seed) if run.labels else None
    images = run.sample(n, seed * MAX_IMAGES % 2**62, label=labels)  # no two seeds share a generated image
    generated, biased = measure.extract(images, features), run.settings.features == features
    if dataset.fingerprint != run.about["fingerprint"]:
        others = _sample(dataset.split(0)[0], seed, dataset)
        scores = _score(generated, measure.extract(others, features), features, seed)
        return Evaluation(scores, *_pixel_statistics(images, others), biased=biased)

    training_set, held_out_set = dataset.split(run.settings.held_out)
    training_images = _sample(training_set, seed, dataset)
    training = measure.extract(training_images, features)
    use_held_out = len(held_out_set) >= MIN_REFERENCES
    reference_images = held_out_set[:] if use_held_out else training_images
    references = measure.extract(reference_images, features) if use_held_out else training
    memorised = measure.memorisation(generated, training, references if use_held_out else training[:0])
    colour_statistics, locked = _pixel_statistics(images, reference_images)
    return Evaluation(
        scores=_score(generated, references, features, seed),
        colours=colour_statistics,
        locked=locked,
        references="held-out set" if use_held_out else "training set",
        held_out=len(held_out_set),
        biased=biased,
        memorisation=memorised,
        pairs=pairs_sheet(images, training_images, memorised),
    )


def _pixel_statistics(
    images: np.ndarray, references: np.ndarray
) -> tuple[tuple[Colours, Colours], tuple[float, float]]:
    """Return `Evaluation.colours` and `Evaluation.locked` of images and of their references."""
    return (colours(images), colours(references)), (measure.locked(images), measure.locked(references))


def _score(generated: np.ndarray, references: np.ndarray, network: str, seed: int) -> Scores:
    return measure.score(generated, references, network=network, seed=seed)


def pairs_sheet(generated: np.ndarray, training: np.ndarray, memorised: Memorisation, columns: int = 8) -> np.ndarray:
    """Lay out the generated images that are nearest to a training image, each above that training image.

    Args:
        generated: uint8 (N, S, S, C).
        training: uint8 (L, S, S, C).
        memorised: the memorisation test of these images.
        columns: number of pairs in a row.

    Returns:
        uint8 (H, W, 3).
    """
    first = np.argsort(memorised.distances, kind="stable")[:PAIRS]
    pairs = np.concatenate([generated[first], training[memorised.nearest[first]]], axis=1)  # stacked vertically
    return grid(pairs, min(columns, len(pairs)))


def frequent_labels(dataset: Dataset, n: int, seed: int) -> list[str] | None:
    """Return `n` labels, each about as frequent as in the dataset; None if the dataset has no labels."""
    if dataset.labels is None:
        return None
    order = np.random.default_rng(seed).permutation(len(dataset))
    return [dataset.labels.names[label] for label in np.resize(dataset.labels.indices[order], n)]


def _opened(subject: Any) -> Run | None:
    """Return a subject as a `Run`; None if it is not a run."""
    if isinstance(subject, Run):
        return subject
    return open_run(subject) if isinstance(subject, str | os.PathLike) and is_run(Path(subject)) else None


def _sample(images: Subset, seed: int, dataset: Dataset) -> np.ndarray:
    """Return the images of a set, or a random sample of a large one; raise a `SettingsError` for a small one."""
    if len(images) < MIN_IMAGES:
        received = f"{len(images)} in {dataset.manifest['source']}"
        raise SettingsError(f"Scores need at least {MIN_IMAGES} pictures; use more. Received: {received}")
    return images.sample(MAX_IMAGES, seed)
