"""Networks → a picture of them: `rows` reads a model, `layout` places what was read, `svg` and `png` draw it."""

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
"""The SVG text, or a Pillow picture."""

THEMES = ("auto", "light", "dark")
"""`auto` follows the reader's own, where the format can (SVG), and is light elsewhere."""

__all__ = ["FORMATS", "THEMES", "Drawing", "Row", "Section", "draw", "lay_out", "read", "save"]


def draw(columns: list[list[Any]], format: str = "svg", theme: str = "auto") -> str | Image.Image:
    """Draw networks side by side.

    Args:
        columns: one for each network; each a list of Keras models, of which every one takes what the one before gives.
        format: "svg" or "png".
        theme: "auto", "light" or "dark".

    Returns:
        The text of an SVG file, or a Pillow picture in RGB.

    Raises:
        SettingsError: no such format or theme.
        NetworkError: a model is neither Sequential nor functional.
    """
    if theme not in THEMES:
        raise SettingsError(f"theme must be one of {', '.join(THEMES)}. Received: theme={theme}")
    if format not in FORMATS:
        raise SettingsError(f"format must be one of {', '.join(FORMATS)}. Received: format={format}")
    drawing = lay_out([read(models) for models in columns])
    return svg.render(drawing, theme) if format == "svg" else png.render(drawing, theme)


def save(drawn: str | Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write what `draw` returned, so that the file is never half there; missing folders are made. Returns the path.

    Args:
        drawn: SVG text, or a picture.
        path: where to.

    Raises:
        PippinError: it cannot be written there.
    """
    return save_text(drawn, path) if isinstance(drawn, str) else save_picture(drawn, path)
