"""Settings that grow with the hardware: what a plan chooses on an accelerator if the user does not.

On a processor everything stays as it is: there a step takes as long as its arithmetic. On a GPU a small step takes as
long as its kernels need to start, so more images a batch and wider layers cost little. What follows from that for the
quality of the images has not been compared on a GPU; the reasons say which figures are predictions.
"""

import math
from dataclasses import dataclass
from typing import Any

from pippin import engines
from pippin.settings import Choice, Settings

DEVICE_BATCH = {64: 64, 128: 64, 256: 32, 512: 16}
"""Image side up to which a number of real images a batch is chosen for each device. On an H200 a step of 64 images of
64×64 took as long as one of 8 (15 ms with JAX). The feature network computes at 128×128 for all sizes, so 128×128 costs
little more: 4,200 images/s instead of 5,500, at width 2. For larger images the generator's maps take most of the
memory."""

LARGE_SIDE, LARGE_SIDE_OF_MANY, MANY = 128, 256, 8
"""Default image sides on an accelerator, and on `MANY` or more: a prediction of what is affordable in an hour."""

WIDTH = 2.0
"""Multiplier of the widths of the generator's stages on an accelerator. Tensor cores work on multiples of 32 channels,
and most widths of `standard` times 2 are such multiples. The arithmetic is four times as much, and the number of
kernels is the same. On an H200 the rate fell from 5,900 to 5,500 images/s."""

MOST_RATE_FACTOR = 2.0
"""Largest factor on the learning rate for a larger batch. Adam's step grows with the square root of the batch (Malladi
et al. 2022, arXiv 2205.10287), but GANs with gradient penalties are trained at small rates whatever their batch."""


@dataclass(frozen=True)
class Hardware:
    """What training runs on.

    Attributes:
        device: In a word or two, such as "CPU" or "8 GPU".
        devices: Number of devices that share a batch.
        accelerated: Whether they are accelerators.
    """

    device: str
    devices: int = 1
    accelerated: bool = False


def find_hardware() -> Hardware:
    """Return what the current engine runs on."""
    engine = engines.current()
    device, execution = engine.device(), engine.execution()
    return Hardware(device, execution.devices, not device.endswith("CPU"))


def engine_advice(engine: str, hardware: Hardware) -> str | None:
    """Return what to do if another engine would use an accelerator better; None if there is nothing to do.

    Args:
        engine: A name in `pippin.engines.ENGINES`.
        hardware: See `find_hardware`.
    """
    if engine != "tensorflow" or not hardware.accelerated:
        return None
    return (
        f"TensorFlow starts every small kernel on {hardware.device} by itself; JAX is faster: "
        "pip install 'jax[cuda13]', then set KERAS_BACKEND=jax"
    )


def default_side(hardware: Hardware, typical: int | None) -> tuple[int, str] | None:
    """Return the image side for an accelerator and the reason; None: the usual one.

    Args:
        hardware: See `find_hardware`.
        typical: The typical shorter side of the pictures in pixels, None if it is unknown.
    """
    if not hardware.accelerated or typical is None:
        return None
    side = LARGE_SIDE_OF_MANY if hardware.devices >= MANY else LARGE_SIDE
    return (side, f"affordable on {hardware.device} (a prediction)") if typical >= side else None


def adapted(choice: Choice, hardware: Hardware) -> Choice:
    """Return a choice with the settings that the user did not give adapted to the hardware."""
    if not hardware.accelerated or choice.settings.preset != "standard":
        return choice
    settings = choice.settings
    side = min(side for side in DEVICE_BATCH if settings.image_size <= side)
    changes: list[tuple[str, Any, str]] = []
    if "batch_size" not in choice.given:
        batch_size = hardware.devices * DEVICE_BATCH[side]
        reason = f"{DEVICE_BATCH[side]} for each device of {hardware.device}: a larger batch takes hardly longer there"
        changes.append(("batch_size", batch_size, reason))
    else:
        batch_size = settings.batch_size
    growth = batch_size / Settings.batch_size
    factor = min(MOST_RATE_FACTOR, math.sqrt(growth))
    if factor > 1:
        reason = f"{factor:.2g} times the usual, for a batch {growth:g} times as large (a prediction)"
        names = ("learning_rate", "learning_rate_end")
        changes += [(name, getattr(settings, name) * factor, reason) for name in names]
        reason = "as many batches between two checkups as usual, so that checkups take less than 5% of the time"
        changes.append(("checkup", round(settings.checkup * growth), reason))
    if settings.features != "none":
        reason = f"more arithmetic takes hardly longer on {hardware.device}"
        changes.append(("width", WIDTH, reason))
    for name, value, reason in changes:
        if name not in choice.given:
            choice = choice.replace(name, value, reason)
    return choice
