"""The training images that are nearest to a generated image, by the features that memorisation is tested with."""

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from pippin import measure
from pippin.engines.inference import Progress, no_progress
from pippin.errors import SourceError
from pippin.host.files import atomic_path, run_errors
from pippin.host.own_files import read_own
from pippin.host.text import printable
from pippin.measure.memorisation import are_very_near, distances_to_others
from pippin.measure.scores import unit_length
from pippin.pictures import Dataset, prepare
from pippin.runs.run import Run
from pippin.settings import check_integer
from pippin.show import grid

MAX_TRAINING_IMAGES = 4096
"""Largest number of training images that a generated image is compared with. Features take about 20 ms for each."""

MAX_NEAREST = 64
"""Largest number of nearest training images that are returned: a sheet of them can still be looked at."""

MAX_REFERENCES = 512
"""Number of training images whose distances to their nearest other ones tell what is very near."""

FEATURE_BLOCK = 64
"""Images whose features are computed between two reports of the progress."""

MAX_FEATURE_BYTES = 2**28
"""Largest size of stored features in bytes: 4,096 of 1,280 numbers have 21 MB."""


@dataclass(frozen=True, eq=False)
class NearestImages:
    """A generated image, and the training images that are nearest to it.

    Attributes:
        image: uint8 (S, S, C), the generated image.
        images: uint8 (N, S, S, C), the nearest training images, the nearest one first.
        distances: float64 (N,), the distance to each: 1 − cosine of the features, 0 to 2.
        paths: the path of each in its source.
        very_near: whether the generated image is nearer to a training image than all but 5% of the training images are
            to another one.
    """

    image: np.ndarray
    images: np.ndarray
    distances: np.ndarray
    paths: tuple[str, ...]
    very_near: bool

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.very_near:
            return "The picture is very near to a training picture"
        return "The picture is no copy: it is as far from the training pictures as these are from each other"

    def lines(self) -> list[str]:
        """Return the result as lines of text for the user."""
        near = zip(self.distances, self.paths, strict=True)
        return [self.verdict, *(f"{distance:.3f}  {path}" for distance, path in near)]

    def sheet(self, title: str) -> np.ndarray:
        """Return a grid, uint8 (H, W, 3): the generated image with a title below, and the training images with their
        distances."""
        labels = [title, *(f"{distance:.3f}" for distance in self.distances)]
        return grid(np.concatenate([self.image[None], self.images]), labels=labels)


def nearest_training_images(
    run: Run, inputs: np.ndarray, n: int = 8, *, progress: Progress = no_progress
) -> NearestImages:
    """Find the training images that are nearest to the image of a latent, by the cosine distance of their features.

    The features of the training images are computed once, and stored in the run.

    Args:
        run: the run.
        inputs: float32 (latent_dim + labels,), the generator's input, such as a row of `Run.latents`.
        n: number of training images, 1 to 64.
        progress: Called as `progress(done, total)` with the number of training images whose features are computed.

    Returns:
        A `NearestImages`, with fewer images if there are not as many.

    Raises:
        SettingsError: `n` is out of range.
        SourceError: the training images are not on disk, or have changed.
        RunError: the run has no checkpoint, or a damaged one, or cannot be written.
    """
    check_integer("n", n, 1, MAX_NEAREST)
    dataset = _training_pictures(run)
    training_set, _ = dataset.split(run.settings.held_out)
    rows = training_set.indices[:MAX_TRAINING_IMAGES]
    features = _training_features(run, np.asarray(dataset.images[rows]), progress)
    image = run.generate(inputs[None])
    distances = 1 - (unit_length(measure.extract(image)) @ features.T)[0]
    closest = np.argsort(distances, kind="stable")[:n]
    owners = {row: entry.path for entry in dataset.audit.entries for row in entry.rows}
    references = distances_to_others(features, min(len(features), MAX_REFERENCES))
    return NearestImages(
        image[0],
        np.asarray(dataset.images[rows[closest]]),
        distances[closest].astype(np.float64),
        tuple(printable(owners.get(int(row), "")) for row in rows[closest]),
        bool(are_very_near(distances[closest], references)[0]),
    )


def _training_pictures(run: Run) -> Dataset:
    """Return the prepared pictures that a run was trained on. Raises a `SourceError` if they are not on disk."""
    source = str(run.about["source"])
    if source.startswith("array:"):
        raise SourceError(f"The run was trained on an array, which is not on disk. Received: {run.path}")
    dataset = prepare(source, run.settings.image_size, preparation=run.folder.preparation)
    if dataset.fingerprint != run.about["fingerprint"]:
        raise SourceError(f"The pictures have changed since the run was begun. Received: {source}")
    return dataset


def _training_features(run: Run, images: np.ndarray, progress: Progress) -> np.ndarray:
    """Return the features of the training images with length 1, float32 (N, D), computed once for a run.

    The file is a NumPy array and, after it, its SHA-256. If it is damaged, it is computed again.
    """
    file = run.path / f"features-{str(run.about['fingerprint'])[:16]}-{len(images)}.npy"
    contents = read_own(file, MAX_FEATURE_BYTES)
    if contents is not None and hashlib.sha256(contents[:-32]).digest() == contents[-32:]:
        with suppress(ValueError, EOFError, OSError):
            known = np.load(io.BytesIO(contents), allow_pickle=False)
            if known.ndim == 2 and len(known) == len(images) and known.dtype == np.float32:
                return known
    parts = []
    for start in range(0, len(images), FEATURE_BLOCK):
        parts.append(measure.extract(images[start : start + FEATURE_BLOCK]))
        progress(min(start + FEATURE_BLOCK, len(images)), len(images))
    features = unit_length(np.concatenate(parts)).astype(np.float32)
    array = io.BytesIO()
    np.save(array, features)
    with run_errors(run.path), atomic_path(file) as part:
        part.write_bytes(array.getvalue() + hashlib.sha256(array.getvalue()).digest())
    return features
