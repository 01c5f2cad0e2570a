"""One photograph, made as those of a dataset are."""

import dataclasses
import os
import warnings
from pathlib import Path

import numpy as np

from pippin.errors import SourceError
from pippin.pictures.colour import Refused
from pippin.pictures.decoding import read_picture
from pippin.pictures.framing import read_trimmed, squares_of
from pippin.pictures.preparation import DEFAULT_PREPARATION, Preparation


def prepare_one_photo(
    path: str | os.PathLike[str], image_size: int, preparation: Preparation = DEFAULT_PREPARATION
) -> np.ndarray:
    """Reads one picture file and makes a square of it, as `prepare` does for a folder.

    Args:
        path: The file.
        image_size: Side of the square in pixels.
        preparation: How pictures are made alike; of several crops, it is the one in the middle.

    Returns:
        uint8 of shape `(image_size, image_size, channels)`, 0 to 255; RGB where the preparation says nothing else.

    Raises:
        SourceError: If there is no such file, or it cannot be read as a picture.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of oddities that do not matter here
            decoded, box, _ = read_trimmed(
                lambda enough: read_picture(Path(path), enough, preparation), image_size, preparation, trim=True
            )
    except Refused as refusal:
        why = "there is no such file" if not Path(path).exists() else refusal
        raise SourceError(f"The photograph cannot be read: {why}. Received: {path}") from None
    squares, _ = squares_of(decoded.image, box, image_size, dataclasses.replace(preparation, crops=1))
    return squares[0][..., : preparation.channels]
