"""Is it learning? What is wrong, in plain words, and what is done about it.

| what is wrong | threshold | action |
| --- | --- | --- |
| a loss is not finite | any | the step is undone, the learning rate halved; after `SETBACKS` of them training ends |
| the pictures are alike | `diversity` below `ALIKE`, and below half of what it was | back to the best, rate halved |
| the discriminator overfits | `overfitting` above `OVERFITTING` | `augment_p` raised by `RAISE`, up to `MOST_AUGMENT` |
| augmentation runs away | the same, at that limit | said once: more of it would be painted |
| no more progress | no better KID for `PATIENCE` checkups | training ends: it is done |
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pippin.errors import TrainingError

ALIKE = 0.3
"""Diversity of painted pictures, relative to real ones, below which they are alike. A generator that paints one picture
has 0. Three runs of ten minutes at 64×64 began at 0.28 to 0.36, all fruit alike, and ended at 0.74 and 0.75
(photos/apples) and 0.37 (the built-in set, at most 0.53; see `benchmarks/results/recipe-log.md`)."""

OVERFITTING = 0.6
"""Share of the discriminator's advantage that is only memory of the learnt pictures; the target that ADA steers such a
share to (Karras et al. 2020, arXiv 2006.06676, section 3.1)."""

RAISE = 0.1
MOST_AUGMENT = 0.8
"""Where augmentation begins to leak into what is painted (the same paper, section 2.2)."""

SETBACKS = 4
PATIENCE = 20


@dataclass(frozen=True)
class Checkup:
    """What was measured of the pictures painted so far.

    Attributes:
        batches: trained so far.
        kid: of the averaged generator's pictures against real ones that were held out, where some were.
        diversity: how far painted pictures lie from each other, relative to real ones: 0 all the same, 1 as diverse.
        overfitting: how much of what the discriminator goes by is memory, 0 to 1 (see `overfitting` below); None where
            nothing was held out.
    """

    batches: int
    kid: float
    diversity: float
    overfitting: float | None


@dataclass(frozen=True)
class Finding:
    """Something that people should know.

    Attributes:
        text: one plain sentence.
        action: "none", or what training does about it beside what `Health` already changed: go back to the best
            state, or stop.
    """

    text: str
    action: Literal["none", "restore", "stop"] = "none"


@dataclass
class Health:
    """What was found and done so far. It is part of a checkpoint, so that a run goes on with it.

    Attributes:
        rate: factor on the learning rate.
        augment: added to `augment_p`.
        setbacks: how often a loss was not finite or the pictures became alike.
        best_kid: the lowest so far, None before the first checkup.
        best_batches: when that was.
        since_best: checkups after that.
        most_diverse: the highest diversity so far.
        limit_told: whether it was said that augmentation is at its limit.
    """

    rate: float = 1.0
    augment: float = 0.0
    setbacks: int = 0
    best_kid: float | None = None
    best_batches: int = 0
    since_best: int = 0
    most_diverse: float = 0.0
    limit_told: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Health":
        """Make it from what `to_dict` gave."""
        return cls(**values)

    def adjust(self, schedule: Mapping[str, float]) -> dict[str, float]:
        """Return the values of one step as they are after what was done.

        Args:
            schedule: see `pippin.training.schedule.schedule_at`.
        """
        augment_p = schedule["augment_p"]
        raised = min(augment_p + self.augment, max(MOST_AUGMENT, augment_p))
        return {**schedule, "learning_rate": schedule["learning_rate"] * self.rate, "augment_p": raised}

    def not_finite(self, batches: int, learning_rate: float) -> Finding:
        """Note that a step was undone because its loss was not finite.

        Args:
            batches: trained so far.
            learning_rate: of the settings.

        Raises:
            TrainingError: it happened too often.
        """
        self.setbacks += 1
        if self.setbacks > SETBACKS:
            raise TrainingError(
                f"A loss was not finite before batch {batches:,}, though the rate was halved {SETBACKS} times. "
                f"The weights from before are kept; train with a lower one. Received: learning_rate={learning_rate:g}"
            )
        self.rate /= 2
        return Finding(
            f"A loss was not finite before batch {batches:,}: its step is undone, and the learning rate halved"
        )

    def examine(self, checkup: Checkup, augment_p: float) -> list[Finding]:
        """Judge a checkup, and change what is to be changed.

        Args:
            checkup: the latest one.
            augment_p: of the settings.

        Returns:
            What was found; nothing if all is well.
        """
        found = []
        better = self.best_kid is None or checkup.kid < self.best_kid
        alike = checkup.diversity < min(ALIKE, self.most_diverse / 2)
        if alike and self.setbacks < SETBACKS:
            found.append(self._alike(checkup))
        elif better:
            self.best_kid, self.best_batches, self.since_best = checkup.kid, checkup.batches, 0
        else:
            self.since_best += 1
            if self.since_best >= PATIENCE:
                text = f"No better for {PATIENCE} checkups, so it is done: the best pictures are of batch"
                found.append(Finding(f"{text} {self.best_batches:,}", "stop"))
        self.most_diverse = max(self.most_diverse, checkup.diversity)
        if checkup.overfitting is not None and checkup.overfitting > OVERFITTING:
            found += self._overfits(checkup.overfitting, augment_p)
        return found

    def is_best(self, checkup: Checkup) -> bool:
        """Say whether an examined checkup is the best one so far."""
        return self.best_batches == checkup.batches

    def _alike(self, checkup: Checkup) -> Finding:
        self.setbacks += 1
        self.rate /= 2
        was = f"{checkup.diversity:.2f} of the real ones' diversity, it was {self.most_diverse:.2f}"
        back = f"went back to batch {self.best_batches:,} and " if self.best_kid is not None else ""
        return Finding(f"The pictures have become alike ({was}): {back}halved the learning rate", "restore")

    def _overfits(self, overfitting: float, augment_p: float) -> list[Finding]:
        text = f"The discriminator knows the learnt pictures by heart ({overfitting:.0%} of what it goes by)"
        before = augment_p + self.augment
        if before < MOST_AUGMENT - 1e-9:
            self.augment += min(RAISE, MOST_AUGMENT - before)
            return [Finding(f"{text}: augmentation raised from {before:.2f} to {augment_p + self.augment:.2f}")]
        if self.limit_told:
            return []
        self.limit_told = True
        return [Finding(f"{text}, and more augmentation would be painted into the pictures: more of them would help")]


def overfitting(learnt_logits: float, held_out_logits: float, fake_logits: float) -> float:
    """Return r_v = (E[D(learnt)] − E[D(held out)]) / (E[D(learnt)] − E[D(painted)]) (arXiv 2006.06676, equation 1).

    It is cut to 0 (nothing is memory) to 1 (everything is), and 0 where the discriminator tells nothing apart.

    Args:
        learnt_logits: mean over pictures that are learnt from.
        held_out_logits: mean over real ones that are not.
        fake_logits: mean over painted ones.
    """
    advantage = learnt_logits - fake_logits
    if advantage <= 0 or not math.isfinite(advantage):
        return 0.0
    return min(1.0, max(0.0, (learnt_logits - held_out_logits) / advantage))
