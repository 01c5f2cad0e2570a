"""A look at the pictures while a run learns: scored often enough to keep the best, cheaply enough not to be noticed."""

from typing import Any

import numpy as np

from pippin import measure
from pippin.engines.inference import Inference, parameters_of
from pippin.pictures import Subset, one_hot
from pippin.sampling.generation import ImageGenerator
from pippin.training.health import Checkup, overfitting
from pippin.training.step import to_float_on_device
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
        self.learnt, self.held_out = learnt.sample(PICTURES), held_out.sample(PICTURES)
        self._labels = [_labels(some) for some in (learnt, held_out)]
        shares = self._labels[
            len(held_out) > 0
        ]  # painted ones have labels as often as those that they are compared with
        self._labels.append(shares if shares is None else np.resize(shares, PICTURES))
        self.latents = trainer.fixed_latents(PICTURES, self._labels[-1])
        self._real: np.ndarray | None = None
        self._generate = ImageGenerator(trainer.generator)
        self._logits = Inference(self._discriminate, trainer.settings.batch_size)

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
        images = self.generate(self.latents)
        painted = measure.extract(images)
        memory = None
        if len(self.held_out):
            looked_at = zip((self.learnt, self.held_out, images), self._labels, strict=True)
            memory = overfitting(*(self.mean_logit(some, labels) for some, labels in looked_at))
        return Checkup(
            batches=self.trainer.batches,
            kid=measure.kid(painted, self._real)[0],
            diversity=measure.diversity(painted) / max(measure.diversity(self._real), 1e-12),
            overfitting=memory,
        )

    def generate(self, latents: np.ndarray) -> np.ndarray:
        """Generate images with the averaged generator as it stands.

        Args:
            latents: float32 (N, latent_dim), with labels behind them if there are any.

        Returns:
            uint8 (N, S, S, C).
        """
        averaged = self.trainer.state["ema_generator"]
        return self._generate(latents, parameters=(averaged["weights"], averaged["stats"]))

    def mean_logit(self, images: np.ndarray, labels: np.ndarray | None = None) -> float:
        """Return the discriminator's mean logit as it stands, for images that are not augmented.

        Args:
            images: uint8 (N, S, S, C).
            labels: int64 (N,), the images' labels, if the trainer's images have labels.
        """
        state, projector = self.trainer.state["discriminator"], self.trainer.networks.projector
        parameters = (state["weights"], state["stats"]), parameters_of(projector) if projector else ()
        inputs = [images]
        if self.trainer.labels is not None and labels is not None:
            inputs.append(one_hot(labels, len(self.trainer.labels)))
        return float(self._logits(parameters, *inputs).mean(axis=1).mean())

    def _discriminate(self, parameters: Any, images: Any, *labels: Any) -> Any:
        """Return logits (B, K) of uint8 images."""
        networks = self.trainer.networks
        (weights, stats), of_projector = parameters
        maps = [to_float_on_device(images)]
        if networks.projector is not None:
            maps = list(networks.projector.stateless_call(*of_projector, maps[0], training=False)[0])
        inputs = [*maps, *labels]
        seen = inputs if len(inputs) > 1 else inputs[0]
        return networks.discriminator.stateless_call(weights, stats, seen, training=False)[0]


def _labels(pictures: Subset) -> np.ndarray | None:
    """The labels of those pictures that a checkup looks at."""
    return pictures.labels.indices[pictures.sample_positions(PICTURES)] if pictures.labels is not None else None


def is_checkup(batches: int, batch_size: int, rhythm: int) -> bool:
    """Whether it is time for a look: whenever another `rhythm` real pictures were seen; never where that is 0."""
    return rhythm > 0 and batches * batch_size // rhythm > (batches - 1) * batch_size // rhythm
