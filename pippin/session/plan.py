"""What a training will be, before it is: pictures, settings with their reasons, networks, memory, speed."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from pippin import engines, networks
from pippin.errors import NetworkError, SettingsError
from pippin.networks import Networks
from pippin.pictures import GREY, RGB, Dataset, Preparation, prepare, typical_side
from pippin.session import memory
from pippin.settings import IMAGE_SIZES, Choice, Settings, choose
from pippin.training.trainer import Trainer

SHARE = 0.9
"""Of the free memory that may be used: other programs want some, and the prediction is not exact."""

SMALLEST_BATCH = 4
"""Pictures below which a batch is not shrunk to save memory: its gradients would be mostly noise."""

REHEARSED = 5
"""Batches that are timed."""


@dataclass(frozen=True)
class Plan:
    """What `plan` made: all that a training needs.

    Attributes:
        dataset: the prepared pictures.
        choice: the settings, and the reason for each.
        networks: see `pippin.networks`, with new weights.
    """

    dataset: Dataset
    choice: Choice
    networks: Networks

    @property
    def settings(self) -> Settings:
        """The settings alone."""
        return self.choice.settings

    @property
    def memory(self) -> int:
        """Bytes of resident memory that training needs at its peak, predicted."""
        return self.memory_at(self.settings.batch_size)

    def memory_at(self, batch_size: int) -> int:
        """Return the same for another batch size."""
        return memory.needed(engines.current().name, self.networks, batch_size)

    def check_memory(self) -> None:
        """Make sure that training fits.

        Raises:
            SettingsError: it does not fit into the memory that is free. The message says what would.
        """
        free = room()
        if free is None or self.memory <= free:
            return
        size, batch_size = self.settings.image_size, self.settings.batch_size
        raise SettingsError(
            f"Training would need about {memory.gib(self.memory)} of memory at its peak, and only "
            f"{memory.gib(free)} can be had here. {self._advice(free)} "
            f"Received: image_size={size}, batch_size={batch_size}"
        )

    def _advice(self, free: int) -> str:
        """Return what would fit: first fewer pictures at a time, then smaller ones."""
        settings = self.settings
        if batch_size := fitting(self.memory_at, settings.batch_size, free):
            return f"--batch-size {batch_size} would fit ({memory.gib(self.memory_at(batch_size))})."
        for size in reversed([size for size in IMAGE_SIZES if size < settings.image_size]):
            pair = _preset(settings, size, self.dataset)
            smaller = dataclasses.replace(self, networks=pair)
            if batch_size := fitting(smaller.memory_at, settings.batch_size, free):
                need = memory.gib(smaller.memory_at(batch_size))
                return f"--image-size {size} --batch-size {batch_size} would fit ({need})."
        return "Nothing that Pippin can train would fit; close other programs."

    def rehearse(self) -> float:
        """Train a few batches for nothing but their time.

        Returns:
            Real pictures a second.
        """
        learnt, _ = self.dataset.split(self.settings.held_out)
        engine = engines.current()
        trainer = Trainer(engine, self.settings, self.networks, learnt)
        times = []
        for _ in range(2 + REHEARSED):  # the first ones compile
            begun = time.perf_counter()
            engine.to_host(trainer.step())
            times.append(time.perf_counter() - begun)
        return self.settings.batch_size / statistics.median(times[2:])


def plan(
    source: Any,
    *,
    generator: keras.Model | None = None,
    discriminator: keras.Model | None = None,
    image_size: int | None = None,
    preset: str = "standard",
    preparation: Preparation | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Plan:
    """Look at the pictures and at the machine, and say what `pippin.train` would do with the same arguments.

    Args:
        source, generator, discriminator, image_size, preset, preparation, **settings: as for `pippin.train`.
        progress: told how many of the source's files were looked at.

    Returns:
        A `Plan`. It may not fit into memory: see `Plan.check_memory`.

    Raises:
        PippinError: see `pippin.errors` for its kinds.
    """
    if generator is not None:
        settings["latent_dim"] = _latent_dim(generator)
    if discriminator is not None:
        settings.setdefault("features", "none")
    size, reason = _size(source, image_size, generator, discriminator)
    choose(preset, size, **settings)  # what is wrong is said before the pictures are looked at
    preparation = preparation or Preparation()
    dataset = prepare(source, size, progress=progress, preparation=preparation)
    if dataset.channels == GREY and preparation.channels is None and _know_rgb_only(generator, discriminator):
        preparation = dataclasses.replace(preparation, channels=RGB)
        dataset = prepare(source, size, progress=progress, preparation=preparation)
    choice = choose(preset, size, len(dataset), **settings)
    if reason:
        choice.reasons["image_size"] = reason
    built = _networks(choice.settings, dataset, generator, discriminator)
    return _shrunk(Plan(dataset, choice, built))


def room() -> int | None:
    """Return how many bytes training may use; None where it happens in the memory of an accelerator."""
    return round(SHARE * memory.free()) if engines.current().device() == "CPU" else None


def fitting(memory_at: Callable[[int], int], batch_size: int, free: int) -> int | None:
    """Return the largest batch, of this size or halved, that fits; None where even the smallest does not."""
    while memory_at(batch_size) > free:
        batch_size //= 2
        if batch_size < SMALLEST_BATCH:
            return None
    return batch_size


def _shrunk(made: Plan) -> Plan:
    """Take fewer pictures at a time where memory is short and nobody asked for a number."""
    free = room()
    if free is None or "batch_size" in made.choice.given:
        return made
    batch_size = fitting(made.memory_at, made.settings.batch_size, free)
    if batch_size in (None, made.settings.batch_size):
        return made
    reason = (
        f"{made.settings.batch_size} would need {memory.gib(made.memory)} of memory, and {memory.gib(free)} is free"
    )
    settings = dataclasses.replace(made.settings, batch_size=batch_size)
    return dataclasses.replace(made, choice=Choice(settings, {**made.choice.reasons, "batch_size": reason}))


def _size(
    source: Any, image_size: int | None, generator: keras.Model | None, discriminator: keras.Model | None
) -> tuple[int, str | None]:
    """Return the side of the pictures, and why, where that is not the default's reason."""
    if image_size is not None:
        return image_size, "given"
    for model, tensors in ((generator, "output_shape"), (discriminator, "input_shape")):
        shape = getattr(model, tensors, None)
        if isinstance(shape, tuple) and len(shape) == 4 and shape[1]:
            return shape[1], "that of the networks that were given"
    side, default = typical_side(source), Settings().image_size
    if side is None or side >= default:
        return default, None
    return max(
        size for size in IMAGE_SIZES if size <= max(side, IMAGE_SIZES[0])
    ), f"most pictures are {side} pixels wide"


def _know_rgb_only(generator: keras.Model | None, discriminator: keras.Model | None) -> bool:
    """Say whether a network that was given is for RGB, so that grey pictures must come as such."""
    shapes = [getattr(generator, "output_shape", None), getattr(discriminator, "input_shape", None)]
    return any(isinstance(shape, tuple) and shape[-1:] == (RGB,) for shape in shapes)


def _preset(settings: Settings, image_size: int, dataset: Dataset) -> Networks:
    """Return a preset's networks for pictures like those of a dataset, of a size."""
    labels = {"labels": len(dataset.labels)} if dataset.labels else {}
    return networks.build(
        settings.preset,
        image_size,
        settings.latent_dim,
        settings.seed,
        settings.features,
        channels=dataset.channels,
        **labels,
    )


def _networks(
    settings: Settings, dataset: Dataset, generator: keras.Model | None, discriminator: keras.Model | None
) -> Networks:
    """Return the preset's networks, with what was given in their place."""
    built = _preset(settings, settings.image_size, dataset)
    labels = len(dataset.labels) if dataset.labels else 0
    if labels and (generator is not None or discriminator is not None):
        raise NetworkError(
            f"Labels need the networks of standard; leave out your own, or the labels. Received: {labels}"
        )
    if generator is not None:
        built = built._replace(generator=generator)
    if discriminator is not None:
        built = built._replace(discriminator=discriminator, projector=None)
    networks.check(built, settings.image_size, dataset.channels, labels)
    return built


def _latent_dim(generator: keras.Model) -> int | None:
    shape = getattr(generator, "input_shape", None)
    return shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
