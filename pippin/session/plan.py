"""Training plans: the dataset, the settings with their reasons, the networks, and the memory and speed to expect."""

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
from pippin.pictures import GREY, RGB, Dataset, Preparation, open_source, prepare, typical_side
from pippin.session import memory
from pippin.session.hardware import adapted, default_side, find_hardware
from pippin.session.memory import format_gib
from pippin.settings import IMAGE_SIZES, RANDOM, Choice, Settings, choose
from pippin.training.trainer import Trainer

USABLE_SHARE = 0.9
"""Share of the free memory that a training process may use. Other programs need some, and the prediction is not
exact."""

SMALLEST_BATCH = 4
"""Smallest batch size that is chosen to save memory. The gradients of smaller batches are mostly noise."""

COMPILING_BATCHES = 2
"""Batches at the start of a speed measurement that are not timed, because they include compilation."""

TIMED_BATCHES = 5
"""Batches of a speed measurement that are timed. Their median is stable, and they take only seconds."""


@dataclass(frozen=True)
class Plan:
    """Everything that a training session needs, made by `plan`.

    Attributes:
        dataset: the prepared images.
        choice: the settings, and the reason for each.
        networks: see `pippin.networks`, with initial weights.
        own_networks: whether the user gave the generator or the discriminator.
    """

    dataset: Dataset
    choice: Choice
    networks: Networks
    own_networks: bool = False

    @property
    def settings(self) -> Settings:
        """The settings without their reasons."""
        return self.choice.settings

    @property
    def memory(self) -> int:
        """Predicted peak of the training process's resident memory, in bytes."""
        return self.memory_at(self.settings.batch_size)

    def memory_at(self, batch_size: int) -> int:
        """Return the predicted peak of the resident memory for another batch size, in bytes."""
        return memory.predict_peak(engines.current().name, self.networks, batch_size)

    def check_memory(self) -> None:
        """Check that training fits into the free memory.

        Raises:
            SettingsError: it does not fit. The message says which settings would.
        """
        usable = usable_memory()
        if usable is None or self.memory <= usable:
            return
        size, batch_size = self.settings.image_size, self.settings.batch_size
        raise SettingsError(
            f"Training needs about {format_gib(self.memory)} of memory at its peak, and {format_gib(usable)} can be "
            f"used here. {self._advice(usable)} Received: image_size={size}, batch_size={batch_size}"
        )

    def _advice(self, usable: int) -> str:
        """Return which settings would fit: a smaller batch, or else smaller images."""
        settings = self.settings
        if batch_size := largest_batch(self.memory_at, settings.batch_size, usable):
            return f"--batch-size {batch_size} would fit ({format_gib(self.memory_at(batch_size))})."
        for size in reversed([size for size in IMAGE_SIZES if size < settings.image_size]):
            smaller = dataclasses.replace(self, networks=_build_preset(settings, size, self.dataset))
            if batch_size := largest_batch(smaller.memory_at, settings.batch_size, usable):
                need = format_gib(smaller.memory_at(batch_size))
                return f"--image-size {size} --batch-size {batch_size} would fit ({need})."
        return "No settings would fit; close other programs."

    def measure_speed(self) -> float:
        """Train a few batches, discard the result, and return the speed in real images per second."""
        training_set, _ = self.dataset.split(self.settings.held_out)
        engine = engines.current()
        trainer = Trainer(engine, self.settings, self.networks, training_set)
        times = []
        for _ in range(COMPILING_BATCHES + TIMED_BATCHES):
            start = time.perf_counter()
            engine.to_host(dict(trainer.run_batches(trainer.steps_per_call)[-1]))
            times.append((time.perf_counter() - start) / trainer.steps_per_call)
        return self.settings.batch_size / statistics.median(times[COMPILING_BATCHES:])


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
    """Prepare the images, choose the settings and build the networks as `pippin.train` does with the same arguments.

    Args:
        source, generator, discriminator, image_size, preset, preparation, **settings: see `pippin.train`.
        progress: Called as `progress(done, total)` while the source's files are prepared.

    Returns:
        A `Plan`. It may not fit into memory; see `Plan.check_memory`.

    Raises:
        PippinError: see `pippin.errors` for its kinds.
    """
    if image_size is None:
        source = open_source(source)  # an opened source is used as it is, so its files are listed only once
    derived = _derived_settings(source, generator, discriminator, image_size, settings)
    choose(preset, image_size, derived=derived, **settings)  # report wrong settings before preparing the images
    size = image_size if image_size is not None else derived.get("image_size", (Settings.image_size, ""))[0]
    source = open_source(source)
    preparation = preparation or Preparation()
    dataset = prepare(source, size, progress=progress, preparation=preparation)
    if dataset.channels == GREY and preparation.channels is None and _need_rgb(generator, discriminator):
        preparation = dataclasses.replace(preparation, channels=RGB)
        dataset = prepare(source, size, progress=progress, preparation=preparation)
    choice = adapted(choose(preset, image_size, len(dataset), derived, **settings), find_hardware())
    built = _build_networks(choice.settings, dataset, generator, discriminator)
    return _fit_batch(Plan(dataset, choice, built, generator is not None or discriminator is not None))


def usable_memory() -> int | None:
    """Return how many bytes training may use; None on an accelerator, which has memory of its own."""
    return None if find_hardware().accelerated else round(USABLE_SHARE * memory.free_memory())


def largest_batch(memory_at: Callable[[int], int], batch_size: int, usable: int) -> int | None:
    """Return the largest of `batch_size`, its half, its quarter, … that fits; None if `SMALLEST_BATCH` does not."""
    while memory_at(batch_size) > usable:
        batch_size //= 2
        if batch_size < SMALLEST_BATCH:
            return None
    return batch_size


def _fit_batch(made: Plan) -> Plan:
    """Return the plan with a smaller batch if memory is short and the user gave no batch size."""
    usable = usable_memory()
    if usable is None or "batch_size" in made.choice.given:
        return made
    batch_size = largest_batch(made.memory_at, made.settings.batch_size, usable)
    if batch_size in (None, made.settings.batch_size):
        return made
    need = f"{made.settings.batch_size} would need {format_gib(made.memory)} of memory"
    reason = f"{need}, and {format_gib(usable)} can be used"
    return dataclasses.replace(made, choice=made.choice.replace("batch_size", batch_size, reason))


def _derived_settings(
    source: Any,
    generator: keras.Model | None,
    discriminator: keras.Model | None,
    image_size: int | None,
    given: dict[str, Any],
) -> dict[str, tuple[Any, str]]:
    """Return the settings that follow from the user's networks and images: name → value and reason.

    Raises:
        SettingsError: the user gave a setting that contradicts a network.
    """
    derived: dict[str, tuple[Any, str]] = {}
    latent_dim = _latent_dim(generator)
    if latent_dim is not None:
        derived["latent_dim"] = latent_dim, "the input of the given generator"
    if discriminator is not None:
        derived["features"] = "none", "the given discriminator takes images"
    if (generator, discriminator) != (None, None):
        derived["start"] = RANDOM, "the given networks start with the weights that they have"
    for name, (value, _) in derived.items():
        if given.get(name) not in (None, value):
            raise SettingsError(
                f"{name} must be {value}, to match the given network; leave it out. Received: {name}={given[name]}"
            )
    if image_size is None and (found := _derived_size(source, generator, discriminator)):
        derived["image_size"] = found
    return derived


def _derived_size(
    source: Any, generator: keras.Model | None, discriminator: keras.Model | None
) -> tuple[int, str] | None:
    """Return the image size of the user's networks, or a smaller size than the default for small images, and why."""
    for model, tensors in ((generator, "output_shape"), (discriminator, "input_shape")):
        shape = getattr(model, tensors, None)
        if isinstance(shape, tuple) and len(shape) == 4 and shape[1]:
            return shape[1], "the image size of the given networks"
    side = typical_side(source)
    if found := default_side(find_hardware(), side):
        return found
    if side is None or side >= Settings.image_size:
        return None
    size = max(size for size in IMAGE_SIZES if size <= max(side, IMAGE_SIZES[0]))
    return size, f"most images are {side} pixels wide"


def _need_rgb(generator: keras.Model | None, discriminator: keras.Model | None) -> bool:
    """Return whether a given network works on RGB images, so that grey images must be prepared as RGB."""
    shapes = [getattr(generator, "output_shape", None), getattr(discriminator, "input_shape", None)]
    return any(isinstance(shape, tuple) and shape[-1:] == (RGB,) for shape in shapes)


def _build_preset(settings: Settings, image_size: int, dataset: Dataset) -> Networks:
    """Return a preset's networks for the channels and labels of a dataset."""
    options: dict[str, Any] = {"labels": len(dataset.labels)} if dataset.labels else {}
    if settings.width != 1:
        options["width"] = settings.width
    return networks.build(
        settings.preset,
        image_size,
        settings.latent_dim,
        settings.seed,
        settings.features,
        channels=dataset.channels,
        **options,
    )


def _build_networks(
    settings: Settings, dataset: Dataset, generator: keras.Model | None, discriminator: keras.Model | None
) -> Networks:
    """Return the preset's networks, replaced by the given ones.

    Raises:
        NetworkError: a given network does not fit the images, or cannot be used with labels.
    """
    labels = len(dataset.labels) if dataset.labels else 0
    if labels and (generator is not None or discriminator is not None):
        raise NetworkError(
            "Labels need the networks of the standard preset; leave out your own networks or the labels. "
            f"Received: {labels} labels"
        )
    if generator is not None and discriminator is not None:
        built = Networks(generator, discriminator)
    else:
        built = _build_preset(settings, settings.image_size, dataset)
        if generator is not None:
            built = built._replace(generator=generator)
        if discriminator is not None:
            built = built._replace(discriminator=discriminator, projector=None)
    networks.check(built, settings.image_size, dataset.channels, labels)
    return built


def _latent_dim(generator: keras.Model | None) -> int | None:
    """Return the latent dimension of a generator; None if there is none, or its input has another shape."""
    shape = getattr(generator, "input_shape", None)
    return shape[1] if isinstance(shape, tuple) and len(shape) == 2 else None
