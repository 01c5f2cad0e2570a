"""Training speeds that were measured for plans, and how long a training takes at a speed.

Measuring compiles the training step and trains some batches, so a speed is measured once for the settings that it
depends on, and not again when only the length of the training changes.
"""

import json
from typing import Any

from pippin.studio.orders import QUALITIES

INDEPENDENT = ("batches", "minutes", "seed", "held_out", "checkup")
"""Settings that do not change the speed."""


class Speeds:
    """The speeds that this studio measured, in images per second."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}

    def add_to(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return a plan with its speed, if that is known, and with the time that it takes.

        Args:
            plan: the result of `pippin.studio.tasks.plan`. A speed that it brings is remembered.
        """
        settings = {setting["name"]: setting["value"] for setting in plan["settings"]}
        key = json.dumps([plan["engine"], plan["device"], plan["inputs"], *_dependent(settings)], default=str)
        rate = plan["images_per_second"]
        if rate is not None:
            self._rates[key] = rate
        else:
            rate = self._rates.get(key)
        return {**plan, "images_per_second": rate, **expected_length(settings, rate, plan["training_images"])}


def _dependent(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in settings.items() if name not in INDEPENDENT)


def expected_length(settings: dict[str, Any], rate: float | None, images: int) -> dict[str, Any]:
    """Return how long a training takes: seconds, batches, epochs, and the seconds of each quality.

    Args:
        settings: the settings, of which either `batches` or `minutes` is given.
        rate: images per second; None if it is unknown.
        images: number of training images.
    """
    batch_size, batches, minutes = settings["batch_size"], settings.get("batches"), settings.get("minutes")
    if batches is None and minutes is not None and rate is not None:
        batches = round(60 * minutes * rate / batch_size)
    per_batch = None if rate is None else batch_size / rate
    seconds = 60 * minutes if minutes else None if per_batch is None else batches * per_batch
    return {
        "seconds": seconds,
        "batches": batches,
        "epochs": None if batches is None else batches * batch_size / images,
        "choices": [
            {"quality": name, "batches": count, "seconds": None if per_batch is None else count * per_batch}
            for name, count in QUALITIES.items()
        ],
    }
