"""The networks of a run, of a preset or of one's own, drawn."""

import os
from pathlib import Path
from typing import Any

import keras
from PIL import Image

from pippin import networks
from pippin.errors import SettingsError
from pippin.runs.run import Run, is_run, open_run
from pippin.settings import PRESETS, choose
from pippin.show.diagram import draw


def diagram(*subjects: Any, format: str = "svg", theme: str = "auto", image_size: int = 64) -> str | Image.Image:
    """Draw networks side by side: layers, shapes, parameters, and where the memory and the time go.

    Args:
        *subjects: a run, a run's folder, or a preset's name, whose generator and discriminator are drawn; or Keras
            models, Sequential or functional.
        format: "svg" or "png".
        theme: "light", "dark", or "auto": an SVG follows what its reader prefers, a picture is light.
        image_size: side of a preset's pictures in pixels, a power of two from 16 to 256.

    Returns:
        The text of an SVG file that stands by itself, or a Pillow picture in RGB.

    Raises:
        SettingsError: no such run, preset, format or theme.
        NetworkError: a model is neither Sequential nor functional.
    """
    if subjects and all(isinstance(subject, keras.Model) for subject in subjects):
        return draw([[model] for model in subjects], format, theme)
    if len(subjects) == 1:
        subject = subjects[0]
        if isinstance(subject, str | os.PathLike) and is_run(Path(subject)):
            subject = open_run(subject)
        if isinstance(subject, Run):
            return subject.diagram(format, theme)
        if subject in PRESETS:
            return draw(_preset(subject, image_size), format, theme)
    received = ", ".join(map(str, subjects)) or "nothing"
    raise SettingsError(f"Give a run, one of {', '.join(PRESETS)}, or Keras models. Received: {received}")


def _preset(name: str, image_size: int) -> list[list[keras.Model]]:
    settings = choose(name, image_size).settings
    built = networks.build(name, image_size, settings.latent_dim, settings.seed, settings.features)
    return [[built.generator], [model for model in (built.projector, built.discriminator) if model]]
