"""Diagrams of networks: `rows` reads a model, `layout` computes positions, `svg` and `png` render the result."""

import os
from pathlib import Path
from typing import Any

from PIL import Image

from pippin.errors import SettingsError
from pippin.show.diagram import png, svg
from pippin.show.diagram.layout import Drawing, lay_out
from pippin.show.diagram.rows import Row, Section, read
from pippin.show.files import save_picture, save_text

FORMATS = ("svg", "png")
"""Formats of a diagram: SVG text, or a Pillow image."""

THEMES = ("auto", "light", "dark")
"""Colour schemes. With `auto` an SVG follows the colour scheme of its viewer, and a PNG is light."""

__all__ = ["FORMATS", "THEMES", "Drawing", "Row", "Section", "check_options", "draw", "lay_out", "read", "save"]


def draw(columns: list[list[Any]], format: str = "svg", theme: str = "auto") -> str | Image.Image:
    """Draw networks side by side.

    Args:
        columns: the columns of the diagram. Each is a list of Keras models in which every model takes the outputs of
            the one before.
        format: "svg" or "png".
        theme: "auto", "light" or "dark".

    Returns:
        The text of an SVG file, or a Pillow image in RGB.

    Raises:
        SettingsError: there is no such format or theme.
        NetworkError: a model is neither Sequential nor functional.
    """
    check_options(format, theme)
    drawing = lay_out([read(models) for models in columns])
    return svg.render(drawing, theme) if format == "svg" else png.render(drawing, theme)


def check_options(format: str, theme: str) -> None:
    """Raise a `SettingsError` if there is no such format or theme."""
    if theme not in THEMES:
        raise SettingsError(f"theme must be one of {', '.join(THEMES)}. Received: theme={theme}")
    if format not in FORMATS:
        raise SettingsError(f"format must be one of {', '.join(FORMATS)}. Received: format={format}")


def save(diagram: str | Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a diagram atomically. Missing folders are created.

    Args:
        diagram: what `draw` returned.
        path: the file to write.

    Returns:
        The path.

    Raises:
        PippinError: the file cannot be written there.
    """
    return save_text(diagram, path) if isinstance(diagram, str) else save_picture(diagram, path)
