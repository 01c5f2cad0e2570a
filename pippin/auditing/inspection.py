"""What `pippin audit` finds in a source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pippin import engines
from pippin.auditing.outliers import FEWEST, UNLIKE, unlikeness
from pippin.pictures import Dataset, Preparation, prepare
from pippin.pictures.verdicts import NAMED_IN_SUMMARY, Entry, listed, printable

MOST = 4096
"""Pictures that a network looks at; of more, so many are drawn."""


@dataclass(frozen=True)
class Inspection:
    """What `audit` found.

    Attributes:
        dataset: the prepared pictures, with the verdict on every file in `dataset.audit`.
        unlike: the pictures that are unlike the others, with their unlikeness in robust standard deviations, the most
            unlike first.
        looked_at: how many pictures were compared for that; 0 where it was not asked for, or there were too few.
    """

    dataset: Dataset
    unlike: tuple[tuple[Entry, float], ...] = ()
    looked_at: int = 0

    def lines(self) -> list[str]:
        """Say it to people."""
        audit = self.dataset.audit
        lines = audit.lines()
        for name, found in audit.totals.items():
            if found and name not in ("reason", "warning"):
                lines.append(f"{name}: {listed(found)}")
        for group in audit.groups[:NAMED_IN_SUMMARY]:
            kept, *others = (printable(entry.path) for entry in group)
            lines.append(f"alike: {kept} (the one to keep), {', '.join(others)}")
        if len(audit.groups) > NAMED_IN_SUMMARY:
            lines.append(f"alike: {len(audit.groups) - NAMED_IN_SUMMARY:,} more groups")
        if self.unlike:
            named = ", ".join(printable(entry.path) for entry, _ in self.unlike[:NAMED_IN_SUMMARY])
            more = len(self.unlike) - NAMED_IN_SUMMARY
            lines.append(f"unlike the others, worth a look: {named}" + (f" and {more:,} more" if more > 0 else ""))
        return [*lines, *self.dataset.about_channels(), *self.dataset.about_labels(), audit.outlook()]


def audit(
    source: Any,
    *,
    image_size: int = 64,
    preparation: Preparation | None = None,
    outliers: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look at every picture of a source as training would, and say what is to be said of them.

    Args:
        source: see `pippin.train`.
        image_size: side of the prepared pictures, a power of two from 16 to 256.
        preparation: how the pictures are made alike; the usual way where it is None.
        outliers: whether a network looks for pictures that do not belong: about 50 pictures a second.
        progress: told how many of the source's files were looked at.

    Returns:
        An `Inspection`.

    Raises:
        SettingsError: `image_size` is not such a power of two.
        SourceError: there is nothing, or there are fewer than two different pictures.
    """
    dataset = prepare(source, image_size, progress=progress, preparation=preparation or Preparation())
    if not outliers:
        return Inspection(dataset)
    entries = dataset.audit.entries
    places = np.array([n for n, entry in enumerate(entries) if entry.index is not None and entry.copy is None])
    if len(places) < FEWEST:
        return Inspection(dataset)
    engines.current()  # an engine takes half a gibibyte: only now, and not beside the preparation
    from pippin import measure

    if len(places) > MOST:
        places = places[np.sort(np.random.default_rng(0).choice(len(places), MOST, replace=False))]
    looked_at = [entries[n] for n in places]
    scores = unlikeness(measure.extract(dataset.images[np.array([entry.index for entry in looked_at])]))
    order = np.argsort(-scores, kind="stable")
    unlike = tuple((looked_at[n], float(scores[n])) for n in order if scores[n] > UNLIKE)
    return Inspection(dataset, unlike, len(looked_at))
