"""Checkups: validation passes during training, by which the best state is chosen and problems are detected.

A checkup generates images from fixed latents with the averaged generator, and compares them with real images: the
held-out set, or training images if too few are held out.
"""

from functools import cached_property
from typing import Any

import numpy as np

from pippin import measure
from pippin.engines.inference import Inference, parameters_of
from pippin.measure import MIN_REFERENCES
from pippin.networks.groups import group_statistics
from pippin.pictures import Subset, one_hot
from pippin.runs.checkpoint import StateFiles
from pippin.sampling.generation import ImageGenerator
from pippin.settings import SCORING_NETWORK
from pippin.training.health import Checkup, Finding, overfitting
from pippin.training.step import to_float_on_device
from pippin.training.trainer import Trainer

IMAGES = 256
"""Number of generated images of a checkup, and largest number of training images and of held-out images. With more, KID
varies less, and a checkup takes more time and memory."""


class Validator:
    """Makes the checkups of a trainer. Latents and real images are the same at each checkup, so results are comparable.

    Args:
        trainer: the trainer.
        training_set: the images that it trains on.
        held_out: the images that are held out of training. Fewer than `MIN_REFERENCES` are not used.

    Attributes:
        training_images: uint8 (N, S, S, C), at most `IMAGES` of the training set.
        held_out_images: uint8 (M, S, S, C), at most `IMAGES` of the held-out set; M is 0 if too few are held out.
        latents: float32 (IMAGES, latent_dim), followed by labels if the images have labels.
    """

    def __init__(self, trainer: Trainer, training_set: Subset, held_out: Subset) -> None:
        self.trainer = trainer
        use_held_out = len(held_out) >= MIN_REFERENCES
        self.training_images = training_set.sample(IMAGES)
        self.held_out_images = held_out.sample(IMAGES if use_held_out else 0)
        self._training_labels, self._held_out_labels = _sample_labels(training_set), _sample_labels(held_out)
        labels = self._held_out_labels if use_held_out else self._training_labels
        self._labels = None if labels is None else np.resize(labels, IMAGES)  # as frequent as in the references
        self.latents = trainer.fixed_latents(IMAGES, self._labels)
        self._generator = ImageGenerator(trainer.generator)
        self._logits = Inference(self._discriminate, trainer.settings.batch_size)

    @property
    def possible(self) -> bool:
        """Whether there are enough real images for checkups; see `reference_note`."""
        return len(self.references) >= MIN_REFERENCES

    @property
    def references(self) -> np.ndarray:
        """The real images that generated images are compared with: uint8 (M, S, S, C)."""
        return self.held_out_images if len(self.held_out_images) else self.training_images

    @cached_property
    def _reference_features(self) -> np.ndarray:
        return measure.extract(self.references, SCORING_NETWORK)

    @cached_property
    def _reference_locked(self) -> float:
        return measure.locked(self.references)

    def validate(self) -> Checkup:
        """Make a checkup of the trainer's current state."""
        images = self.generate(self.latents)
        kid, diversity = self._score(images)
        overfits = None
        if len(self.held_out_images):
            overfits = overfitting(
                self.mean_logit(self.training_images, self._training_labels),
                self.mean_logit(self.held_out_images, self._held_out_labels),
                self.mean_logit(images, self._labels),
            )
        locked = measure.locked(images), self._reference_locked
        return Checkup(self.trainer.batches, kid, diversity, overfits, SCORING_NETWORK, *locked)

    def rescore_best(self, files: StateFiles) -> list[Finding]:
        """Score the best state again, if its KID was measured with the features of another network.

        Call this before `Health.update` compares a checkup with it. The trainer's `health` and the saved best state are
        updated.

        Args:
            files: the saved states of the run.

        Returns:
            A finding that tells the user, or nothing if the KIDs are comparable.
        """
        trainer, health = self.trainer, self.trainer.health
        if health.best_kid is None or health.network == SCORING_NETWORK:
            return []
        best = files.load_best(trainer.state_on_host())
        if best is None:
            health.forget_best()
            return []
        averaged = trainer.engine.to_device(best["ema_generator"])
        kid, diversity = self._score(self.generate(self.latents, averaged))
        text = (
            f"KID is now measured with {SCORING_NETWORK} instead of {health.network}: the best state, that of batch "
            f"{health.best_batches:,}, has {kid:.4f} instead of {health.best_kid:.4f}"
        )
        health.rescore_best(kid, diversity, SCORING_NETWORK)
        files.save_best(best, kid, SCORING_NETWORK)
        return [Finding(text)]

    def _score(self, images: np.ndarray) -> tuple[float, float]:
        """Return the KID of generated images, and their diversity relative to that of the references."""
        features = measure.extract(images, SCORING_NETWORK)
        references = self._reference_features
        relative = measure.diversity(features) / max(measure.diversity(references), 1e-12)
        return measure.kid(features, references)[0], relative

    def generate(self, latents: np.ndarray, averaged: Any = None) -> np.ndarray:
        """Generate images with the averaged generator.

        Args:
            latents: float32 (N, latent_dim), followed by labels if the images have labels.
            averaged: the entry `ema_generator` of a training state, as tensors; the trainer's current one if None.

        Returns:
            uint8 (N, S, S, C).
        """
        averaged = averaged or self.trainer.state["ema_generator"]
        return self._generator(latents, parameters=(averaged["weights"], averaged["stats"]))

    def mean_logit(self, images: np.ndarray, labels: np.ndarray | None = None) -> float:
        """Return the discriminator's mean logit for images, without augmentation.

        Args:
            images: uint8 (N, S, S, C).
            labels: int64 (N,), the labels of the images, if the training images have labels.
        """
        state, projector = self.trainer.state["discriminator"], self.trainer.networks.projector
        parameters = (state["weights"], state["stats"]), parameters_of(projector) if projector else ()
        inputs = [images]
        if self.trainer.labels is not None and labels is not None:
            inputs.append(one_hot(labels, len(self.trainer.labels)))
        return float(self._logits(parameters, *inputs).mean(axis=1).mean())

    def _discriminate(self, parameters: Any, images: Any, *labels: Any) -> Any:
        """Return the logits (B, K) of uint8 images, with a discriminator's and a projector's parameters."""
        networks = self.trainer.networks
        (weights, stats), projector_parameters = parameters
        maps = [to_float_on_device(images)]
        if networks.projector is not None:
            maps = list(networks.projector.stateless_call(*projector_parameters, maps[0], training=False)[0])
        inputs = [*maps, *group_statistics(maps[: networks.group_heads]), *labels]
        logits, _ = networks.discriminator.stateless_call(
            weights, stats, inputs if len(inputs) > 1 else inputs[0], training=False
        )
        return logits[0] if networks.group_heads else logits


def _sample_labels(images: Subset) -> np.ndarray | None:
    """Return the labels of those images of a set that a checkup uses; None if they have no labels."""
    return images.labels.indices[images.sample_positions(IMAGES)] if images.labels is not None else None


def is_checkup(batches: int, batch_size: int, interval: int) -> bool:
    """Return whether a checkup is due after a number of batches.

    Args:
        batches: number of batches trained so far.
        batch_size: real images in a batch.
        interval: real images between two checkups; 0 means no checkups.
    """
    return interval > 0 and batches * batch_size // interval > (batches - 1) * batch_size // interval


def reference_note(training: int, held_out: int) -> str | None:
    """Return a sentence for the user if checkups cannot use held-out images; None if they can.

    Args:
        training: number of images in the training set.
        held_out: number of images in the held-out set.
    """
    if held_out >= MIN_REFERENCES:
        return None
    if training < MIN_REFERENCES:
        return (
            f"There are no checkups, and the last state is kept instead of the best: they need {MIN_REFERENCES} "
            f"pictures, and the training set has {training}"
        )
    are = "1 picture is" if held_out == 1 else f"{held_out} pictures are"
    return f"Checkups compare with training images: {are} held out, and at least {MIN_REFERENCES} are needed"
