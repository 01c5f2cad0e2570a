"""Sources of pictures: one module for each kind, with the interface in `base`."""

import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.sources.archives import ARCHIVE_SUFFIXES, open_archive
from pippin.pictures.sources.arrays import ARRAY_SUFFIXES, ArraySource, array_digest, open_array
from pippin.pictures.sources.base import Sharing, Source, SourceItem, reading_source
from pippin.pictures.sources.built_in import BUILT_IN, BUILT_IN_PLACE, BuiltInSource
from pippin.pictures.sources.files import open_folder, open_list
from pippin.pictures.sources.keras_sets import PREFIX, open_keras_set
from pippin.pictures.sources.parquet import SUFFIX, ParquetSource

__all__ = ["Sharing", "Source", "SourceItem", "open_source", "typical_side"]

LIST_SUFFIX = ".txt"

SIDES = 100
"""Number of pictures whose size is read to find the typical side."""


def open_source(source: Any) -> Source:
    """Open a source of any kind and list its items.

    A folder called `apples` in the current directory takes precedence over the built-in set. A `Path` and a path with a
    slash (`./apples`) always mean the folder; the location in the manifest of the built-in set always means that.

    Args:
        source: The path of a folder; of an `.npy` or `.npz` file; of a zip or tar archive; of a `.txt` file with a path
            on each line; of a folder with parquet files, such as a Hugging Face dataset; `"keras:mnist"` and similar; a
            NumPy array `(N, H, W)` or `(N, H, W, 1 | 3 | 4)`, uint8 or float within [0, 1] or [−1, 1]; the name
            `"apples"` of the built-in set; or an opened source, which is returned as it is.

    Returns:
        The opened source.

    Raises:
        SourceError: If there is nothing, nothing that can hold pictures, or nothing that can be read.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, np.ndarray):
        return ArraySource(source, "array", f"array:{array_digest(source)}", stamp="")
    if not isinstance(source, (str, os.PathLike)):
        raise SourceError(
            "The pictures must be a folder, an archive, an .npy or .npz file, a list of paths in a .txt file, a NumPy "
            f"array, or the name 'apples'. Received: source={source!r} of type {type(source).__name__}"
        )
    if isinstance(source, str) and source.startswith(PREFIX):
        return open_keras_set(source)
    path = Path(os.path.expanduser(source))  # Path.expanduser would raise for an unknown user
    with reading_source(str(path)):
        return _open_path(path, source)


def _open_path(path: Path, source: str | os.PathLike[str]) -> Source:
    """Open a folder, a file or the built-in set."""
    if source == BUILT_IN_PLACE or (source == BUILT_IN and not path.is_dir()):
        return BuiltInSource()
    if path.is_dir():
        return _open_directory(path)
    if not path.exists():
        raise SourceError(f"There is no such folder; check its spelling. Received: source={str(source)!r}")
    return _open_file(path)


def _open_directory(path: Path) -> Source:
    """Open a folder. Its parquet files are used if there are no pictures beside them."""
    folder = open_folder(path)
    suffixes = {os.path.splitext(item.path)[1].lower() for item in folder.items}
    if SUFFIX in suffixes and not suffixes & Image.registered_extensions().keys():
        files = [folder.folder / item.path for item in folder.items if item.path.lower().endswith(SUFFIX)]
        return ParquetSource(folder.folder, files)
    return folder


def _open_file(path: Path) -> Source:
    """Open a single file by its extension."""
    if not path.is_file():  # opening a pipe would block for ever
        raise SourceError(f"This is no file, but a pipe, socket or device. Received: source={str(path)!r}")
    name = path.name.lower()
    if name.endswith(ARRAY_SUFFIXES):
        return open_array(path)
    if name.endswith(ARCHIVE_SUFFIXES):
        return open_archive(path)
    if name.endswith(SUFFIX):
        return ParquetSource(path.resolve(), [path.resolve()])
    if name.endswith(LIST_SUFFIX):
        return open_list(path)
    raise SourceError(
        "This is a single file, but not an archive, an array or a list of paths; give the folder of the pictures. "
        f"Received: source={str(path)!r}"
    )


def typical_side(source: Any) -> int | None:
    """Return the median of the shorter sides of up to 100 pictures, in pixels; None if none is known.

    Args:
        source: See `open_source`. An opened source is not listed again.

    Raises:
        SourceError: See `open_source`.
    """
    opened = open_source(source)
    sampled = opened.items[:: max(1, len(opened.items) // SIDES)]
    sides = [side for item in sampled if item.problem is None and (side := opened.side(item))]
    return int(statistics.median(sides)) if sides else None
