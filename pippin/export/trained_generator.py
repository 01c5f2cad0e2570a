"""A trained generator with the facts about it, and what all export formats share."""

import importlib
import importlib.metadata
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pippin.engines.inference import image_batch_size, model_inference, parameters_of
from pippin.errors import ExportError
from pippin.host.files import output_path
from pippin.host.keras_config import default_keras_config
from pippin.host.text import printable
from pippin.pictures import cycle_labels, one_hot, to_uint8
from pippin.settings import Settings
from pippin.training import draws

TOLERANCE = 1e-4
"""Largest accepted difference between an exported model's images and Keras' images.

It is relative to the largest absolute value of Keras' images, or to 1 if that is smaller. Images are about in [−1, 1],
so this is about 1/80 of a grey level of 8 bits, and some hundred times float32 rounding.
"""


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator and what is known about its training: the input of every export format.

    Attributes:
        name: the name of the run.
        generator: Keras model, latents (B, latent_dim), with one-hot labels appended if there are labels → images
            (B, S, S, C) in [−1, 1].
        settings: the settings of the training.
        about: what else the run recorded: `source`, `pictures`, `held_out`, `reasons`, `engine`, `versions`, `machine`,
            and `labels` if there are labels.
        batches: number of batches that the run was trained for.
        seconds: duration of the training, in seconds.
        best: the batch of these weights and its KID; None if there was no checkup, so that these are the last weights.
        audit: number of files of the source by status: `kept`, `mended` and `refused`.
        evaluation: the last result of `pippin evaluate`; None if the run was not evaluated.
    """

    name: str
    generator: keras.Model
    settings: Settings
    about: Mapping[str, Any]
    batches: int
    seconds: float
    best: tuple[int, float] | None
    audit: Mapping[str, int]
    evaluation: Mapping[str, Any] | None

    @property
    def latent_dim(self) -> int:
        """Length of a latent, without its label."""
        return int(self.generator.input_shape[1]) - len(self.labels)

    @property
    def labels(self) -> list[str]:
        """Names of the labels, in the order of the one-hot encoding; empty if the generator is unconditional."""
        return list(self.about.get("labels", []))

    @property
    def image_size(self) -> int:
        """Side of the images, in pixels."""
        return int(self.generator.output_shape[1])

    @property
    def channels(self) -> int:
        """Channels of the images: 1, 3 or 4; see `pippin.pictures.channels`."""
        return int(self.generator.output_shape[3])

    @property
    def source_name(self) -> str:
        """What the training set is, without the folders above it, which are private to one machine."""
        kind, _, name = str(self.about["source"]).partition(":")
        if kind in ("built-in", "array"):
            return f"the built-in {name}" if kind == "built-in" else "an array"
        return printable(Path(self.about["source"]).name)

    @property
    @default_keras_config()
    def exported_model(self) -> keras.Model:
        """The model to export: the generator, with `latents` and `labels` (B, K) as two inputs if there are labels."""
        if not self.labels:
            return self.generator
        latents = keras.Input((self.latent_dim,), name="latents")
        labels = keras.Input((len(self.labels),), name="labels")
        images = self.generator(keras.layers.Concatenate(name="together")([latents, labels]))
        return keras.Model([latents, labels], images, name="generator")

    @cached_property
    def check_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Latents for checking an exported model, float32 (4, latent_dim + K), and the images that Keras returns."""
        latents = self.draw_latents(4)
        return latents, self.generate(latents)

    def draw_latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Return random latents, float32 (count, latent_dim + K), with the labels in turn appended."""
        latents = draws.fixed_latents(seed, count, self.latent_dim)
        labels = len(self.labels)
        if not labels:
            return latents
        return np.concatenate([latents, one_hot(cycle_labels(range(count), labels), labels)], axis=1)

    def named_inputs(self, latents: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of an exported model, by name, for inputs of the generator (B, latent_dim + K)."""
        inputs = {"latents": latents[:, : self.latent_dim]}
        return {**inputs, "labels": latents[:, self.latent_dim :]} if self.labels else inputs

    def generate(self, latents: np.ndarray) -> np.ndarray:
        """Return images, float32 (B, S, S, C), for inputs of the generator (B, latent_dim + K)."""
        inference = model_inference(self.generator, image_batch_size(self.image_size))
        return inference(parameters_of(self.generator), latents)

    def samples(self, count: int, seed: int = 0) -> np.ndarray:
        """Return generated images, uint8 (count, S, S, C), of the latents from `draw_latents`."""
        return to_uint8(self.generate(self.draw_latents(count, seed)))

    def metadata(self) -> dict[str, str]:
        """Return the metadata that an exported file may hold: name → text."""
        return {
            "name": self.name,
            "latent_dim": str(self.latent_dim),
            "image_size": str(self.image_size),
            "channels": str(self.channels),
            **({"labels": json.dumps(self.labels)} if self.labels else {}),
            "batches": str(self.best[0] if self.best else self.batches),
            "settings": json.dumps(self.settings.to_dict()),
            "engine": str(self.about["engine"]),
            "pippin": importlib.metadata.version("pippin"),
        }


def require_package(module: str, package: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        module: the module to import.
        package: the name of its distribution, for the message.
        purpose: what needs it, for the message: "Uploading".

    Returns:
        The module.

    Raises:
        ExportError: it is not installed. The message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ExportError(f"{purpose} needs {package}, which is not installed: pip install {package}") from None


def export_path(path: Path) -> AbstractContextManager[Path]:
    """Yield a temporary path to write to; see `pippin.host.files.output_path`. Raises an `ExportError`."""
    return output_path(path, "export", ExportError)


def require_agreement(images: np.ndarray, trained: TrainedGenerator, what: str) -> None:
    """Raise an error unless an exported model returns the same images as Keras, up to `TOLERANCE`.

    Args:
        images: the exported model's images for the latents of `trained.check_batch`.
        trained: the generator that was exported.
        what: what was exported, for the message: "The ONNX file".

    Raises:
        ExportError: the images differ by more than `TOLERANCE`.
    """
    _, expected = trained.check_batch
    difference = float(np.abs(images - expected).max() / max(1.0, np.abs(expected).max()))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{what} returns other images than Keras, so it was not kept. Received: a difference of {difference:.2g}"
        )
