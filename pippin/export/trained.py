"""What is taken away, and the ways in which files are written and checked."""

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

from pippin.errors import ExportError
from pippin.host.files import output_path
from pippin.pictures import in_turn, one_hot, to_uint8
from pippin.settings import Settings
from pippin.training import draws
from pippin.training.trainer import sample_batch

TOLERANCE = 1e-4
"""How far a picture may be from Keras' at most, where pictures reach from −1 to 1."""


@dataclass(frozen=True)
class Trained:
    """A trained generator, and what is known of it.

    Attributes:
        name: of the run.
        generator: Keras model, latents (B, latent_dim), labels behind them where there are some → images (B, S, S, C)
            in [−1, 1].
        settings: what it was made with.
        about: the rest that the run knows of its making: `source`, `pictures`, `held_out`, `reasons`, `engine`,
            `versions`, `machine`.
        batches: that it was trained for.
        seconds: that this took.
        best: the batch whose state this is, and its KID; None where no checkup chose one.
        audit: how many files of the source were kept, mended and refused.
        evaluation: what `pippin evaluate` found last; None where it was not asked.
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
        """Numbers that each picture is painted from, beside its label."""
        return int(self.generator.input_shape[1]) - len(self.labels)

    @property
    def labels(self) -> list[str]:
        """The kinds of pictures that it tells apart, in their order; empty where it was not told any."""
        return list(self.about.get("labels", []))

    @property
    def signature(self) -> keras.Model:
        """The generator as it is given away: `latents`, and where there are some also `labels` (B, K) → images."""
        if not self.labels:
            return self.generator
        latents = keras.Input((self.latent_dim,), name="latents")
        labels = keras.Input((len(self.labels),), name="labels")
        images = self.generator(keras.layers.Concatenate(name="together")([latents, labels]))
        return keras.Model([latents, labels], images, name="generator")

    def latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Return latents to paint, float32 (count, latent_dim + K), with labels in turn behind them."""
        drawn = draws.fixed_latents(seed, count, self.latent_dim)
        kinds = len(self.labels)
        return np.concatenate([drawn, one_hot(in_turn(range(count), kinds), kinds)], axis=1) if kinds else drawn

    def feeds(self, latents: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of what was written, by their names, for what the generator takes."""
        parted = {"latents": latents[:, : self.latent_dim]}
        return {**parted, "labels": latents[:, self.latent_dim :]} if self.labels else parted

    @property
    def image_size(self) -> int:
        """Side of the pictures, in pixels."""
        return int(self.generator.output_shape[1])

    @property
    def channels(self) -> int:
        """Of the pictures: 1, 3 or 4; see `pippin.pictures.channels`."""
        return int(self.generator.output_shape[3])

    @property
    def source(self) -> str:
        """What it learnt from, without the folders above it: they are the business of one machine."""
        kind, _, where = str(self.about["source"]).partition(":")
        if kind in ("built-in", "array"):
            return f"the built-in {where}" if kind == "built-in" else "an array"
        return Path(self.about["source"]).name

    @cached_property
    def probe(self) -> tuple[np.ndarray, np.ndarray]:
        """What to try a written file with, float32 (4, latent_dim + K), and what Keras paints of that."""
        latents = self.latents(4)
        return latents, self.paint(latents)

    def paint(self, latents: np.ndarray) -> np.ndarray:
        """Return images, float32 (B, S, S, C), painted a few at a time."""
        at_once = sample_batch(self.image_size)
        parts = [latents[start : start + at_once] for start in range(0, len(latents), at_once)]
        painted = [self.generator(keras.ops.convert_to_tensor(part), training=False) for part in parts]
        return np.concatenate([keras.ops.convert_to_numpy(images) for images in painted])

    def samples(self, count: int, seed: int = 0) -> np.ndarray:
        """Return pictures as `Run.sample` paints them, uint8 (count, S, S, 3)."""
        return to_uint8(self.paint(self.latents(count, seed)))

    def metadata(self) -> dict[str, str]:
        """Return what a file may carry along: name → text."""
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


def need(module: str, package: str, purpose: str) -> Any:
    """Import a package that not everybody has.

    Raises:
        ExportError: it is not installed. The message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ExportError(f"{purpose} needs {package}, which is not installed: pip install {package}") from None


def writing(path: Path) -> AbstractContextManager[Path]:
    """Yield a temporary path to write to; see `pippin.host.files.output_path`. Raises an `ExportError`."""
    return output_path(path, "export", ExportError)


def check_agreement(painted: np.ndarray, trained: Trained, what: str) -> None:
    """Make sure that a written file paints what Keras paints.

    Args:
        painted: its pictures of `trained.probe`'s latents.
        trained: see `Trained`.
        what: wrote them.

    Raises:
        ExportError: they differ by more than `TOLERANCE`.
    """
    _, expected = trained.probe
    difference = float(np.abs(painted - expected).max() / max(1.0, np.abs(expected).max()))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{what} paints other pictures than Keras, so it was not kept. Received: a difference of {difference:.2g}"
        )
