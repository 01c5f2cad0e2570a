"""How good a run is: its pictures against real ones, and whether it knows those by heart."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pippin import measure
from pippin.errors import SettingsError
from pippin.measure import Colours, Memorisation, Scores, colours
from pippin.measure.colours import comparison_lines
from pippin.pictures import Dataset, Subset, prepare
from pippin.runs.run import Run, is_run, open_run
from pippin.show import grid

MOST = 4096
"""Pictures of either side that are compared; of more, so many are drawn. Their products fill 400 MB."""

FEWEST = 8
"""Pictures below which no score means anything."""

PAIRS = 24
"""Painted pictures on the sheet of the nearest learnt ones."""


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        scores: of the pictures against real ones.
        colours: of the pictures, and of the real ones.
        references: which those are: "held out of training", "learnt from", or "" for those of another source.
        flattered: whether a run learnt from the very features that the scores compare.
        memorisation: how near a run's pictures are to those that it learnt from; None for a source, and for a run whose
            pictures are not at hand.
        pairs: uint8 sheet (H, W, 3), rows of painted pictures, each above its nearest learnt one, the nearest pairs
            first; None where `memorisation` is.
    """

    scores: Scores
    colours: tuple[Colours, Colours]
    references: str = ""
    flattered: bool = False
    memorisation: Memorisation | None = None
    pairs: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures and the sentences as what JSON can hold."""
        found = {"lines": self.lines(), "references": self.references, "flattered": self.flattered}
        if self.memorisation:
            found["memorisation"] = {"near": self.memorisation.very_near_share, "z": self.memorisation.z}
        painted, real = (dataclasses.asdict(each) for each in self.colours)
        return {**found, "scores": dataclasses.asdict(self.scores), "colours": {"painted": painted, "real": real}}

    def lines(self) -> list[str]:
        """Say it to people."""
        first, *others = self.scores.lines()
        lines = [f"{first}; the real ones were {self.references}" if self.references else first, *others]
        if self.flattered:
            network = self.scores.network
            lines.append(f"The run learnt from what {network} sees, so these scores flatter it (arXiv 2203.06026)")
        lines += comparison_lines(*self.colours)
        if self.memorisation:
            lines.append(self.memorisation.verdict)
        return lines


def evaluate(
    subject: Any,
    against: Any = None,
    *,
    n: int = 2048,
    features: str = "efficientnet-lite0",
    image_size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score pictures against real ones; for a run, against those that were held out of its training.

    What is found of a run is kept in its folder too: `evaluation.json` and `nearest.png`.

    Args:
        subject: a `Run`, a run's folder, or a source of pictures (see `pippin.train`).
        against: the source of the real ones; for a run, None means what it learnt from.
        n: how many pictures a run paints, from 8 to 4,096.
        features: "efficientnet-lite0", "efficientnet-lite1" or "inception" (see `pippin.measure.features`).
        image_size: side at which two sources are compared, 64 where it is None; a run has its own.
        seed: of the pictures painted, of those drawn where there are too many, and of the interval.
        progress: told how many of a source's files were looked at.

    Returns:
        An `Evaluation`.

    Raises:
        SettingsError: too few pictures, or too many asked for, or nothing to compare them with.
        PippinError: see `pippin.errors`: a source, a run or a network is not there.
    """
    if not FEWEST <= n <= MOST:
        raise SettingsError(f"n must be from {FEWEST} to {MOST:,}. Received: n={n}")
    if features not in measure.NETWORKS:
        raise SettingsError(f"features must be one of {', '.join(measure.NETWORKS)}. Received: features={features}")

    def scored(painted: np.ndarray, references: np.ndarray) -> Scores:
        return measure.score(painted, references, network=features, seed=seed)

    def seen(images: np.ndarray) -> np.ndarray:
        return measure.extract(images, features)

    run = _as_run(subject)
    if run is None:
        if against is None:
            raise SettingsError(f"Say what to compare the pictures with (--against). Received: {subject}")
        both = (prepare(source, image_size or 64, progress=progress) for source in (subject, against))
        ours, theirs = (_some(dataset.split(0)[0], seed, dataset) for dataset in both)
        return Evaluation(scored(seen(ours), seen(theirs)), (colours(ours), colours(theirs)))

    source = run.about["source"] if against is None else against
    if against is None and source.startswith("array:"):
        raise SettingsError(f"The run learnt from an array, which is not on disk; give it again. Received: {run.path}")
    dataset = prepare(source, run.settings.image_size, progress=progress, preparation=run.folder.preparation)
    labels = by_share(dataset, n, seed) if run.labels else None
    images = run.sample(n, seed * MOST % 2**62, label=labels)  # each seed of an evaluation has pictures of its own
    painted = seen(images)
    flattered = run.settings.features == features
    if dataset.fingerprint != run.about["fingerprint"]:
        others = _some(dataset.split(0)[0], seed, dataset)
        tints = colours(images), colours(others)
        return _kept(run, Evaluation(scored(painted, seen(others)), tints, flattered=flattered))

    learnt_from, held_out = dataset.split(run.settings.held_out)
    looked_at, kept_aside = _some(learnt_from, seed, dataset), held_out[:]
    learnt, apart = seen(looked_at), seen(kept_aside) if len(held_out) else np.zeros((0, painted.shape[1]))
    found = measure.memorisation(painted, learnt, apart)
    references = "held out of training" if len(apart) else "learnt from"
    scores, pairs = scored(painted, apart if len(apart) else learnt), pairs_sheet(images, looked_at, found)
    tints = colours(images), colours(kept_aside if len(apart) else looked_at)
    return _kept(run, Evaluation(scores, tints, references, flattered, found, pairs))


def pairs_sheet(painted: np.ndarray, learnt: np.ndarray, found: Memorisation, columns: int = 8) -> np.ndarray:
    """Lay out the painted pictures that are nearest to a learnt one, each above that.

    Args:
        painted: uint8 (N, S, S, C).
        learnt: uint8 (L, S, S, C).
        found: about them.
        columns: pairs in a row.

    Returns:
        uint8 (H, W, 3).
    """
    first = np.argsort(found.distances, kind="stable")[:PAIRS]
    pairs = np.concatenate([painted[first], learnt[found.nearest[first]]], axis=1)  # one above the other
    return grid(pairs, min(columns, len(pairs)))


def by_share(dataset: Dataset, n: int, seed: int) -> list[str] | None:
    """Return labels for pictures, as often as the dataset has them; None where it has none."""
    if dataset.labels is None:
        return None
    order = np.random.default_rng(seed).permutation(len(dataset))
    return [dataset.labels.names[label] for label in np.resize(dataset.labels.indices[order], n)]


def _kept(run: Run, found: Evaluation) -> Evaluation:
    run.folder.save_evaluation({"batches": run.batches, **found.to_dict()}, found.pairs)
    return found


def _as_run(subject: Any) -> Run | None:
    if isinstance(subject, Run):
        return subject
    return open_run(subject) if isinstance(subject, str | os.PathLike) and is_run(Path(subject)) else None


def _some(pictures: Subset, seed: int, dataset: Dataset) -> np.ndarray:
    if len(pictures) < FEWEST:
        received = f"{len(pictures)} in {dataset.manifest['source']}"
        raise SettingsError(f"Scores need at least {FEWEST} pictures. Received: {received}")
    return pictures.sample(MOST, seed)
