"""Picture files: written whole, and with a note inside that says how they were made."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from pippin.errors import SettingsError
from pippin.host.files import output_path
from pippin.pictures import GREY
from pippin.show.grounds import on_paper

NOTED = (".png", ".jpg", ".jpeg", ".webp")
"""Endings of the formats that can hold a note."""

OPTIONS: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"lossless": True},
}
"""Of Pillow's writers: small pictures suffer most from what a format leaves out."""


HOLDING_RGBA = (".png", ".webp")
"""Endings of the formats in which pictures may be transparent."""


def check_ending(path: str | os.PathLike[str], endings: tuple[str, ...], what: str = "picture") -> Path:
    """Return the path if its ending is one of those; before anything is painted for it.

    Raises:
        SettingsError: it is not.
    """
    path = Path(path)
    if path.suffix.lower() not in endings:
        shown = ", ".join(ending for ending in endings if ending != ".jpeg")
        raise SettingsError(f"A {what}'s name must end in one of {shown}. Received: {path}")
    return path


def save_picture(image: np.ndarray | Image.Image, path: str | os.PathLike[str], note: str = "") -> Path:
    """Write one picture, so that the file is never half there.

    Args:
        image: uint8 (H, W, 1 | 3 | 4), or a Pillow picture. JPEG holds no transparency: there it is laid over white.
        path: where to; the ending decides the format. Missing folders are made.
        note: text in ASCII to keep inside (PNG: a text chunk named "pippin"; JPEG and WebP: EXIF's ImageDescription).

    Returns:
        The path.

    Raises:
        SettingsError: Pillow writes no format with that ending, or the format holds no note.
        PippinError: it cannot be written there.
    """
    path = Path(path)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(_fitting(image, path.suffix.lower()))
    if note or path.suffix.lower() not in Image.registered_extensions():
        check_ending(path, NOTED)
    with output_path(path, "picture") as part:
        image.save(part, **OPTIONS.get(path.suffix.lower(), {}), **(_holding(note, path) if note else {}))
    return path


def _fitting(image: np.ndarray, ending: str) -> np.ndarray:
    """Return a picture as a format can hold it."""
    if image.shape[2] == GREY:
        return image[..., 0]
    return image if ending in HOLDING_RGBA else on_paper(image)


def save_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a picture that is text (SVG), so that the file is never half there.

    Args:
        text: all of it.
        path: where to. Missing folders are made.

    Returns:
        The path.

    Raises:
        PippinError: it cannot be written there.
    """
    with output_path(Path(path), "picture") as part:
        part.write_text(text, encoding="utf-8")
    return Path(path)


def _holding(note: str, path: Path) -> dict[str, Any]:
    """Return what Pillow's writer is told, so that it keeps the note."""
    if path.suffix.lower() == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_text("pippin", note)
        return {"pnginfo": text}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = note
    return {"exif": exif}


def read_note(path: str | os.PathLike[str]) -> str:
    """Return the note that `save_picture` kept in a picture; "" where there is none.

    Raises:
        SettingsError: there is no such picture, or it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            found = picture.info.get("pippin") or picture.getexif().get(ExifTags.Base.ImageDescription)
    except UnidentifiedImageError:
        raise SettingsError(f"This is not a picture that Pillow can read. Received: {path}") from None
    except (OSError, ValueError, SyntaxError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise SettingsError(f"The picture cannot be read: {why}. Received: {path}") from None
    return found if isinstance(found, str) else ""
