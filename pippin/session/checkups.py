"""A look at the pictures while a run learns: scored often enough to keep the best, cheaply enough not to be noticed."""

import numpy as np

from pippin import measure
from pippin.pictures import Subset
from pippin.training.health import Checkup, overfitting
from pippin.training.trainer import Trainer

PICTURES = 256
"""Painted and real pictures of a checkup, at most."""

FEWEST = 32
"""Real pictures below which a checkup says nothing."""


class Examiner:
    """Looks at what a trainer paints. The same latents and real pictures each time, so that checkups can be compared.

    Args:
        trainer: whose pictures.
        learnt: what it learns from.
        held_out: what it does not; where that is nothing, the pictures are compared with learnt ones.
    """

    def __init__(self, trainer: Trainer, learnt: Subset, held_out: Subset) -> None:
        self.trainer = trainer
        self.learnt, self.held_out = learnt.some(PICTURES), held_out.some(PICTURES)
        self._labels = [_labels(some) for some in (learnt, held_out)]
        shares = self._labels[
            len(held_out) > 0
        ]  # painted ones have labels as often as those that they are compared with
        self._labels.append(shares if shares is None else np.resize(shares, PICTURES))
        self.latents = trainer.fixed_latents(PICTURES, self._labels[-1])
        self._real: np.ndarray | None = None

    @property
    def possible(self) -> bool:
        """Whether there are real pictures enough."""
        return len(self._references) >= FEWEST

    @property
    def _references(self) -> np.ndarray:
        return self.held_out if len(self.held_out) else self.learnt

    def examine(self) -> Checkup:
        """Paint and score."""
        if self._real is None:
            self._real = measure.extract(self._references)
        images = self.trainer.sample(self.latents)
        painted = measure.extract(images)
        memory = None
        if len(self.held_out):
            looked_at = zip((self.learnt, self.held_out, images), self._labels, strict=True)
            memory = overfitting(*(self.trainer.judge(some, labels) for some, labels in looked_at))
        return Checkup(
            batches=self.trainer.batches,
            kid=measure.kid(painted, self._real)[0],
            diversity=measure.diversity(painted) / max(measure.diversity(self._real), 1e-12),
            overfitting=memory,
        )


def _labels(pictures: Subset) -> np.ndarray | None:
    """The labels of those pictures that a checkup looks at."""
    return pictures.labels.of[pictures.drawn(PICTURES)] if pictures.labels is not None else None


def is_checkup(batches: int, batch_size: int, rhythm: int) -> bool:
    """Whether it is time for a look: whenever another `rhythm` real pictures were seen; never where that is 0."""
    return rhythm > 0 and batches * batch_size // rhythm > (batches - 1) * batch_size // rhythm
