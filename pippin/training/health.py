"""Health checks: what is detected during training, and what is done about it.

- Non-finite loss or gradient: the step is undone and the learning rate halved. If all steps since the
  last tick were undone, the best state is restored too. The run fails after `MAX_NON_FINITE` of them.
- Non-finite moving averages (of batch normalisation) with finite losses: the last checkpoint is restored and the
  learning rate halved. They count as non-finite losses.
- Mode collapse (diversity below `COLLAPSE_DIVERSITY`, and below half of the highest so far): the best state is restored
  and the learning rate halved. Training stops after `MAX_COLLAPSES` of them.
- Overfitting of the discriminator (above `MAX_OVERFITTING`): `augment_p` is raised, up to `MAX_AUGMENT`. At that limit
  it is reported once, because more augmentation would appear in generated images.
- No progress (KID not improved for `PATIENCE` checkups): training stops.

Non-finite losses and collapses are counted apart. The state of a collapsed checkup is never the best one, and does not
restart the count of checkups without progress.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pippin.errors import TrainingError
from pippin.settings import SCORING_NETWORK

COLLAPSE_DIVERSITY = 0.3
"""Diversity, relative to that of real images, below which the generated images may have collapsed. A generator of one
single image has 0. Three runs of ten minutes at 64×64, measured with EfficientNet-Lite0, started at 0.28 to 0.36 and
ended at 0.74 and 0.75 (photos/apples) and 0.37 (the built-in set; see `benchmarks/results/recipe-log.md`)."""

MAX_OVERFITTING = 0.6
"""Largest accepted share of the discriminator's advantage that is memorisation; the target of ADA for its r_t (Karras
et al. 2020, arXiv 2006.06676, section 3.1)."""

AUGMENT_STEP = 0.1
"""How much `augment_p` is raised at a checkup: little, because the effect appears only at later checkups."""

MAX_AUGMENT = 0.8
"""Highest `augment_p` that is set automatically. Above it augmentation leaks into the generated images (the same paper,
section 2.2)."""

MAX_NON_FINITE = 4
"""Number of non-finite losses after which the next one ends the run. The learning rate is then 1/16 of the first."""

MAX_COLLAPSES = 4
"""Number of mode collapses after which the next one stops training."""

PATIENCE = 20
"""Number of checkups without a better KID after which training stops."""

_NETWORK_OF_OLD_RUNS = "efficientnet-lite0"
"""The feature network of runs that do not name theirs."""


@dataclass(frozen=True)
class Checkup:
    """The result of one checkup, a validation pass during training.

    Attributes:
        batches: number of batches trained so far.
        kid: KID of the averaged generator's images against held-out images, or against training images if too few are
            held out.
        diversity: diversity of the generated images, relative to that of the real ones: 0 means that all are the same
            image, 1 that they are as diverse as real images.
        overfitting: share of the discriminator's advantage that is memorisation, 0 to 1 (see the function
            `overfitting`); None without held-out images.
        network: the network whose features were used.
        locked: share of the fine detail that is the same at the same place in all generated images (see
            `pippin.measure.locked`).
        locked_real: that share in the real images.
    """

    batches: int
    kid: float
    diversity: float
    overfitting: float | None
    network: str = SCORING_NETWORK
    locked: float | None = None
    locked_real: float | None = None


@dataclass(frozen=True)
class Finding:
    """Something that the user should know.

    Attributes:
        text: one sentence.
        action: what training must do besides the changes that `Health` has made: restore the best state, or stop.
    """

    text: str
    action: Literal["none", "restore", "stop"] = "none"


@dataclass
class Health:
    """The findings so far and their consequences. It is part of a checkpoint, so that a resumed run continues with it.

    Attributes:
        rate: factor on the learning rate.
        augment: amount added to `augment_p`.
        non_finite: number of non-finite losses.
        collapses: number of mode collapses.
        best_kid: lowest KID so far; None before the first checkup.
        best_batches: number of batches at that checkup.
        since_best: number of checkups since then, without collapsed ones.
        most_diverse: highest diversity so far.
        limit_told: whether the augmentation limit was reported.
        network: the network whose features `best_kid` and `most_diverse` were measured with.
    """

    rate: float = 1.0
    augment: float = 0.0
    non_finite: int = 0
    collapses: int = 0
    best_kid: float | None = None
    best_batches: int = 0
    since_best: int = 0
    most_diverse: float = 0.0
    limit_told: bool = False
    network: str = SCORING_NETWORK

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as values that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Health":
        """Return the `Health` of a result of `to_dict`.

        Older checkpoints have one count, `setbacks`, of non-finite losses and collapses together. Its parts are
        unknown, so both counts start at 0.
        """
        kept = {name: value for name, value in values.items() if name != "setbacks"}
        if values.get("best_kid") is not None:
            kept.setdefault("network", _NETWORK_OF_OLD_RUNS)
        return cls(**kept)

    def adjust(self, schedule: Mapping[str, float]) -> dict[str, float]:
        """Return the schedule's values of one step with `rate` and `augment` applied.

        Args:
            schedule: see `pippin.training.schedule.schedule_at`.
        """
        augment_p = schedule["augment_p"]
        raised = min(augment_p + self.augment, max(MAX_AUGMENT, augment_p))
        return {**schedule, "learning_rate": schedule["learning_rate"] * self.rate, "augment_p": raised}

    def not_finite(self, batches: int, learning_rate: float, all_steps: bool = False) -> Finding:
        """Count a step that was undone because its loss was not finite, and halve the learning rate.

        Args:
            batches: number of batches trained so far.
            learning_rate: that of the settings.
            all_steps: whether all steps since the last tick were undone, so that the weights themselves are at fault.

        Raises:
            TrainingError: it is the one after `MAX_NON_FINITE`.
        """
        self._count_not_finite("A loss was", batches, learning_rate)
        if all_steps and self.best_kid is not None:
            return Finding(
                f"No loss was finite before batch {batches:,}: the state of batch {self.best_batches:,} was restored "
                "and the learning rate halved",
                "restore",
            )
        return Finding(
            f"A loss was not finite before batch {batches:,}: the step was undone and the learning rate halved"
        )

    def averages_not_finite(self, batches: int, learning_rate: float) -> Finding:
        """Count moving averages that are not finite although all losses are, and halve the learning rate.

        A batch whose activations overflow does that: it is normalised to finite values, but its variance is infinite.

        Args:
            batches: number of batches trained so far.
            learning_rate: that of the settings.

        Raises:
            TrainingError: it is the one after `MAX_NON_FINITE`.
        """
        self._count_not_finite("Moving averages were", batches, learning_rate)
        return Finding(
            f"Moving averages of the networks were not finite before batch {batches:,}: the last checkpoint was "
            "restored and the learning rate halved"
        )

    def _count_not_finite(self, what: str, batches: int, learning_rate: float) -> None:
        """Count values that are not finite, and halve the learning rate; fail after `MAX_NON_FINITE` of them."""
        self.non_finite += 1
        if self.non_finite > MAX_NON_FINITE:
            raise TrainingError(
                f"{what} not finite before batch {batches:,}, although the learning rate was halved "
                f"{MAX_NON_FINITE} times. The weights from before it are saved; train with a lower learning rate. "
                f"Received: learning_rate={learning_rate:g}"
            )
        self.rate /= 2

    def update(self, checkup: Checkup, augment_p: float) -> list[Finding]:
        """Update the attributes with a checkup.

        Args:
            checkup: the latest checkup, with features of `network`.
            augment_p: that of the settings.

        Returns:
            The findings; none if training is healthy.
        """
        findings = []
        if checkup.diversity < min(COLLAPSE_DIVERSITY, self.most_diverse / 2):
            findings.append(self._collapsed(checkup))
        elif math.isfinite(checkup.kid) and (self.best_kid is None or checkup.kid < self.best_kid):
            self.best_kid, self.best_batches, self.since_best = checkup.kid, checkup.batches, 0
            self.network = checkup.network
        else:
            self.since_best += 1
            if self.since_best >= PATIENCE:
                text = f"KID has not improved for {PATIENCE} checkups; stopping{self._best_images()}"
                findings.append(Finding(text, "stop"))
        self.most_diverse = max(self.most_diverse, checkup.diversity)
        if checkup.overfitting is not None and checkup.overfitting > MAX_OVERFITTING:
            findings += self._overfits(checkup.overfitting, augment_p)
        return findings

    def is_best(self, checkup: Checkup) -> bool:
        """Return whether the checkup that `update` received last is the best one so far."""
        return self.best_kid is not None and self.best_batches == checkup.batches

    def rescore_best(self, kid: float, diversity: float, network: str) -> None:
        """Replace what was measured of the best state, because another feature network is used from now on."""
        self.best_kid, self.most_diverse, self.network = kid, diversity, network

    def forget_best(self) -> None:
        """Forget the best KID, because its state is missing and it cannot be compared with other KIDs."""
        self.best_kid, self.most_diverse, self.network = None, 0.0, SCORING_NETWORK

    def _best_images(self) -> str:
        """Return the end of a sentence that names the best images, if there are any."""
        return f": the best images are those of batch {self.best_batches:,}" if self.best_kid is not None else ""

    def _collapsed(self, checkup: Checkup) -> Finding:
        """Count a collapse; halve the learning rate or, after the last accepted one, stop."""
        self.collapses += 1
        collapsed = (
            f"The generated images have collapsed (diversity {checkup.diversity:.2f}, the highest was "
            f"{self.most_diverse:.2f})"
        )
        if self.collapses > MAX_COLLAPSES:
            again = f"although the best state was restored {MAX_COLLAPSES} times"
            return Finding(f"{collapsed}, {again}; stopping{self._best_images()}", "stop")
        self.rate /= 2
        if self.best_kid is None:
            return Finding(f"{collapsed}: the learning rate halved", "restore")
        return Finding(
            f"{collapsed}: the state of batch {self.best_batches:,} was restored and the learning rate halved",
            "restore",
        )

    def _overfits(self, overfitting: float, augment_p: float) -> list[Finding]:
        """Raise the augmentation; at its limit, report that once."""
        text = f"The discriminator memorises training images (overfitting {overfitting:.0%})"
        before = augment_p + self.augment
        if before < MAX_AUGMENT - 1e-9:
            self.augment += min(AUGMENT_STEP, MAX_AUGMENT - before)
            return [Finding(f"{text}: augment_p was raised from {before:.2f} to {augment_p + self.augment:.2f}")]
        if self.limit_told:
            return []
        self.limit_told = True
        return [Finding(f"{text}, and more augmentation would appear in generated images; more pictures would help")]


def overfitting(training_logits: float, held_out_logits: float, generated_logits: float) -> float:
    """Return r_v = (E[D(training)] − E[D(held out)]) / (E[D(training)] − E[D(generated)]).

    This is equation 1 of ADA (arXiv 2006.06676). It is clipped to the range from 0 (no overfitting) to 1 (the
    discriminator rates held-out images like generated ones). It is 0 if the discriminator does not rate training images
    above generated ones.

    Args:
        training_logits: mean logit of training images.
        held_out_logits: mean logit of held-out images.
        generated_logits: mean logit of generated images.
    """
    advantage = training_logits - generated_logits
    if advantage <= 0 or not math.isfinite(advantage):
        return 0.0
    return min(1.0, max(0.0, (training_logits - held_out_logits) / advantage))
