"""Diagrams of the networks of a run or a preset, or of any Keras models."""

import os
from pathlib import Path
from typing import Any

import keras
from PIL import Image

from pippin import networks
from pippin.errors import SettingsError
from pippin.runs.run import Run, is_run, open_run
from pippin.settings import PRESETS, check_image_size, choose
from pippin.show.diagram import check_options, draw


def diagram(*subjects: Any, format: str = "svg", theme: str = "auto", image_size: int = 64) -> str | Image.Image:
    """Draw networks side by side, with the shapes, parameters, memory and operations of their layers.

    Args:
        *subjects: one run, one run folder or one preset name, whose generator and discriminator are drawn; or one or
            more built Keras models, Sequential or functional, each as an argument of its own.
        format: "svg" or "png".
        theme: "light", "dark", or "auto". With "auto" an SVG follows the colour scheme of its viewer and a PNG is
            light.
        image_size: side of the images of a preset's networks in pixels, a power of two from 16 to 512. Only used with a
            preset.

    Returns:
        The text of a self-contained SVG file, or a Pillow image in RGB.

    Raises:
        SettingsError: a subject is none of these, or there is no such format, theme or image size.
        NetworkError: a model is neither Sequential nor functional.
    """
    check_options(format, theme)
    if not isinstance(image_size, int):
        raise SettingsError(f"image_size must be a whole number. Received: image_size={image_size!r}")
    check_image_size(image_size)
    if subjects and all(isinstance(subject, keras.Model) for subject in subjects):
        return draw([[model] for model in subjects], format, theme)
    if len(subjects) != 1:
        received = ", ".join(map(_described, subjects)) or "nothing"
        raise SettingsError(f"{_USAGE}. Received: {received}")
    subject = subjects[0]
    if isinstance(subject, list | tuple):
        raise SettingsError(
            "Pass several models as separate arguments, such as diagram(generator, discriminator). "
            f"Received: {_described(subject)}"
        )
    if isinstance(subject, str | os.PathLike) and is_run(Path(subject)):
        subject = open_run(subject)
    if isinstance(subject, Run):
        return subject.diagram(format, theme)
    if isinstance(subject, str) and subject in PRESETS:
        return draw(_preset_columns(subject, image_size), format, theme)
    raise SettingsError(f"{_USAGE}. Received: {_described(subject)}")


_USAGE = f"Give a run, one of {', '.join(PRESETS)}, or Keras models"


def _described(subject: Any) -> str:
    """Return a subject as an error message shows it."""
    if isinstance(subject, str | os.PathLike):
        return str(subject)
    if isinstance(subject, keras.Model):
        return f"the model {subject.name}"
    return f"{str(subject)[:80]} of type {type(subject).__name__}"


def _preset_columns(name: str, image_size: int) -> list[list[keras.Model]]:
    """Return the networks of a preset, as the columns of a diagram."""
    settings = choose(name, image_size).settings
    built = networks.build(name, image_size, settings.latent_dim, settings.seed, settings.features)
    return [[built.generator], [model for model in (built.projector, built.discriminator) if model]]
