"""The audit of a source: preparation of all files, and a search for outliers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pippin import engines
from pippin.auditing.outliers import MIN_IMAGES, THRESHOLD, outlier_scores
from pippin.host.text import printable
from pippin.pictures import Dataset, Preparation, Source, open_source, prepare
from pippin.pictures.entries import NAMED_IN_SUMMARY, Entry, listed

MAX_COMPARED = 4096
"""Largest number of pictures that are compared. Of a larger source, a random sample of this size is compared, because
features take about 20 ms for each picture."""

NETWORK = "efficientnet-lite0"
"""The feature network in which outliers are searched. `outliers.THRESHOLD` was chosen with its features."""


@dataclass(frozen=True)
class Inspection:
    """The result of `audit`.

    Attributes:
        dataset: the prepared pictures, with the status of each file in `dataset.audit`.
        outliers: the pictures that are far from all others in feature space, each with its score in robust standard
            deviations, in descending order.
        compared: number of pictures that were compared to find outliers; 0 if that was switched off, or if there are
            fewer than 50 different pictures.
        source: the opened source, which the report reads thumbnails of refused files from; None for no thumbnails.
    """

    dataset: Dataset
    outliers: tuple[tuple[Entry, float], ...] = ()
    compared: int = 0
    source: Source | None = None

    def lines(self) -> list[str]:
        """Return the result as lines of text for the user."""
        audit = self.dataset.audit
        lines = audit.lines()
        for name, found in audit.totals.items():
            if found and name not in ("reason", "warning"):
                lines.append(f"{name}: {listed(found)}")
        for group in audit.groups[:NAMED_IN_SUMMARY]:
            first, *others = (printable(entry.path) for entry in group)
            lines.append(f"duplicates: {first} (the one to keep), {', '.join(others)}")
        if len(audit.groups) > NAMED_IN_SUMMARY:
            lines.append(f"duplicates: {len(audit.groups) - NAMED_IN_SUMMARY:,} more groups")
        if self.outliers:
            named = ", ".join(printable(entry.path) for entry, _ in self.outliers[:NAMED_IN_SUMMARY])
            more = len(self.outliers) - NAMED_IN_SUMMARY
            lines.append(f"outliers, worth checking: {named}" + (f" and {more:,} more" if more > 0 else ""))
        lines += self.dataset.notes
        return [*lines, *self.dataset.describe_channels(), *self.dataset.describe_labels(), audit.outlook()]


def audit(
    source: Any,
    *,
    image_size: int = 64,
    preparation: Preparation | None = None,
    outliers: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Prepare every file of a source as training would, and report each file's status, duplicates and outliers.

    Args:
        source: the pictures; see `pippin.train`.
        image_size: side of the prepared pictures in pixels, a power of two from 16 to 512.
        preparation: how the pictures are prepared; the default preparation if None.
        outliers: whether to search for outliers, pictures that are far from all others in the feature space of a
            pretrained network. This loads an engine and takes about a second for 50 pictures.
        progress: called as `progress(done, total)` after each file.

    Returns:
        An `Inspection`.

    Raises:
        SettingsError: `image_size` is not such a power of two.
        SourceError: there are no pictures, or fewer than two different ones.
    """
    source = open_source(source)
    dataset = prepare(source, image_size, progress=progress, preparation=preparation or Preparation())
    if not outliers:
        return Inspection(dataset, source=source)
    entries = dataset.audit.entries
    candidates = np.array([n for n, entry in enumerate(entries) if entry.index is not None and entry.copy is None])
    if len(candidates) < MIN_IMAGES:
        return Inspection(dataset, source=source)
    engines.current()  # loaded after the preparation, because an engine takes half a gibibyte
    from pippin import measure

    if len(candidates) > MAX_COMPARED:
        sample = np.random.default_rng(0).choice(len(candidates), MAX_COMPARED, replace=False)
        candidates = candidates[np.sort(sample)]
    compared = [entries[n] for n in candidates]
    images = dataset.images[np.array([entry.index for entry in compared])]
    scores = outlier_scores(measure.extract(images, NETWORK))
    order = np.argsort(-scores, kind="stable")
    found = tuple((compared[n], float(scores[n])) for n in order if scores[n] > THRESHOLD)
    return Inspection(dataset, found, len(compared), source)
