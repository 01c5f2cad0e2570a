"""Picture files: atomic writes, and a note inside that says how the picture was made."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from pippin.errors import SettingsError
from pippin.host.files import output_path
from pippin.pictures import GREY
from pippin.show.backgrounds import on_white

NOTE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""File suffixes of the formats that can hold a note."""

OPTIONS: dict[str, dict[str, Any]] = {
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".webp": {"lossless": True},
}
"""Options of Pillow's encoders: high quality, because compression artefacts are most visible in small pictures."""

ALPHA_SUFFIXES = (".png", ".webp")
"""File suffixes of the formats that can hold transparency."""


def check_suffix(path: str | os.PathLike[str], suffixes: tuple[str, ...], what: str = "picture") -> Path:
    """Return the path if it has one of the suffixes. Called before images are generated for the file.

    Raises:
        SettingsError: the path has another suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        shown = ", ".join(suffix for suffix in suffixes if suffix != ".jpeg")
        raise SettingsError(f"A {what}'s name must end in one of {shown}. Received: {path}")
    return path


def save_picture(image: np.ndarray | Image.Image, path: str | os.PathLike[str], note: str = "") -> Path:
    """Write one image to a file atomically.

    Args:
        image: uint8 (H, W, 1 | 3 | 4), or a Pillow image. In formats without transparency the background is white.
        path: the file to write; its suffix determines the format. Missing folders are created.
        note: ASCII text to store in the file (PNG: a text chunk named "pippin"; JPEG and WebP: the EXIF tag
            ImageDescription).

    Returns:
        The path.

    Raises:
        SettingsError: Pillow knows no format with that suffix, or the format cannot hold a note.
        PippinError: the file cannot be written there.
    """
    path = Path(path)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(_for_format(image, path.suffix.lower()))
    if note or path.suffix.lower() not in Image.registered_extensions():
        check_suffix(path, NOTE_SUFFIXES)
    with output_path(path, "picture") as part:
        image.save(part, **OPTIONS.get(path.suffix.lower(), {}), **(_note_options(note, path) if note else {}))
    return path


def _for_format(image: np.ndarray, suffix: str) -> np.ndarray:
    """Return an image with channels that a format can hold."""
    if image.shape[2] == GREY:
        return image[..., 0]
    return image if suffix in ALPHA_SUFFIXES else on_white(image)


def save_text(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a picture that is text (SVG) to a file atomically.

    Args:
        text: the content of the file.
        path: the file to write. Missing folders are created.

    Returns:
        The path.

    Raises:
        PippinError: the file cannot be written there.
    """
    with output_path(Path(path), "picture") as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
    return Path(path)


def _note_options(note: str, path: Path) -> dict[str, Any]:
    """Return the options of Pillow's encoder that store a note."""
    if path.suffix.lower() == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_text("pippin", note)
        return {"pnginfo": text}
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = note
    return {"exif": exif}


def read_note(path: str | os.PathLike[str]) -> str:
    """Return the note that `save_picture` stored in a picture, or "" if there is none.

    Raises:
        SettingsError: the file does not exist, or Pillow cannot read it.
    """
    try:
        with Image.open(path) as picture:
            note = picture.info.get("pippin") or picture.getexif().get(ExifTags.Base.ImageDescription)
    except UnidentifiedImageError:
        raise SettingsError(
            f"This is not a picture that Pillow can read; give a PNG, JPEG or WebP file. Received: {path}"
        ) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise SettingsError(f"The picture cannot be read: {reason}. Received: {path}") from None
    return note if isinstance(note, str) else ""
