"""Many pictures in one."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pippin.errors import PippinError, SettingsError

GAP = 2
"""White pixels between the pictures of a grid."""


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lay pictures out in rows, from left to right and from top to bottom.

    Args:
        images: uint8 (N, H, W, C).
        columns: pictures in a row; the nearest to a square grid where it is None.

    Returns:
        uint8 (rows · (H + GAP) − GAP, columns · (W + GAP) − GAP, C), white where there is no picture.
    """
    count, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels)
    sheet = np.full(shape, 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def save_picture(image: np.ndarray | Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write one picture, so that the file is never half there.

    Args:
        image: uint8 (H, W, 3), or a Pillow picture.
        path: where to; the ending decides the format. Missing folders are made.

    Returns:
        The path.

    Raises:
        SettingsError: Pillow writes no format with that ending.
        PippinError: it cannot be written there.
    """
    path = Path(path)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    if path.suffix.lower() not in Image.registered_extensions():
        raise SettingsError(f"A picture's name must end in one of .png, .jpg, .webp. Received: {path}")
    return _written(path, picture.save)


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
    return _written(Path(path), lambda part: part.write_text(text, encoding="utf-8"))


def _written(path: Path, write: Callable[[Path], object]) -> Path:
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        os.replace(part, path)
    except (OSError, ValueError, KeyError) as problem:
        with contextlib.suppress(OSError):
            part.unlink()
        raise PippinError(f"The picture cannot be written: {problem}. Received: {path}") from None
    return path
