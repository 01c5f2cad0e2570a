"""Where pictures come from: one module a kind, all behind the interface of `base`."""

import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.sources.archives import ARCHIVE_SUFFIXES, open_archive
from pippin.pictures.sources.arrays import ARRAY_SUFFIXES, ArraySource, array_digest, open_array
from pippin.pictures.sources.base import Sharing, Source, SourceItem
from pippin.pictures.sources.built_in import BUILT_IN, BUILT_IN_PLACE, BuiltInSource
from pippin.pictures.sources.files import open_folder, open_list
from pippin.pictures.sources.keras_sets import PREFIX, open_keras_set
from pippin.pictures.sources.parquet import SUFFIX, ParquetSource

__all__ = ["Sharing", "Source", "SourceItem", "open_source", "typical_side"]

LIST_SUFFIX = ".txt"
SIDES = 100  # how many pictures are asked for their size


def open_source(source: Any) -> Source:
    """Finds out what a source is.

    Args:
        source: A folder's path; the path of an `.npy` or `.npz` file, of a zip or tar archive, or of a `.txt` file
            with a path in each line; a folder with parquet files, as Hugging Face datasets are; `"keras:mnist"` and
            its like; a NumPy array of shape `(N, H, W)` or `(N, H, W, 1 | 3 | 4)`, uint8 or float within [0, 1] or
            [−1, 1]; or the name `"apples"` of the built-in set. A folder called `apples` in the current directory
            comes before the built-in set, since pointing at a folder is what people do; a `Path` and a path with a
            slash (`./apples`) always mean the folder, and what a manifest calls the built-in set always means that.

    Returns:
        The source, opened.

    Raises:
        SourceError: If there is nothing, or nothing that holds pictures.
    """
    if isinstance(source, np.ndarray):
        return ArraySource(source, "array", f"array:{array_digest(source)}", stamp="")
    if not isinstance(source, (str, os.PathLike)):
        raise SourceError(
            "The pictures must be a folder, an archive, an .npy or .npz file, a list of paths in a .txt file, a NumPy "
            f"array, or the name 'apples'. Received: source={source!r} of type {type(source).__name__}"
        )
    if isinstance(source, str) and source.startswith(PREFIX):
        return open_keras_set(source)
    path = Path(os.path.expanduser(source))  # leaves ~nobody as it is, where Path would raise
    if source == BUILT_IN_PLACE or (source == BUILT_IN and not path.is_dir()):
        return BuiltInSource()
    if path.is_dir():
        return _open_directory(path)
    if not path.exists():
        raise SourceError(f"There is no such folder; check its spelling. Received: source={str(source)!r}")
    return _open_file(path)


def _open_directory(path: Path) -> Source:
    """Opens a folder, whose parquet files count if there are no pictures beside them."""
    folder = open_folder(path)
    suffixes = {os.path.splitext(item.path)[1].lower() for item in folder.items}
    if SUFFIX in suffixes and not suffixes & Image.registered_extensions().keys():
        files = [folder.folder / item.path for item in folder.items if item.path.lower().endswith(SUFFIX)]
        return ParquetSource(folder.folder, files)
    return folder


def _open_file(path: Path) -> Source:
    """Opens a single file by its ending."""
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
        "This is a single file, and no archive, array or list of paths; give the folder that holds the pictures. "
        f"Received: source={str(path)!r}"
    )


def typical_side(source: Any) -> int | None:
    """Returns the median of the shorter sides of up to 100 pictures, in pixels; None if they have none.

    Args:
        source: See `open_source`.

    Raises:
        SourceError: If there is nothing, or nothing that holds pictures.
    """
    opened = open_source(source)
    some = opened.items[:: max(1, len(opened.items) // SIDES)]
    sides = [side for side in map(opened.side, (item for item in some if item.problem is None)) if side]
    return int(statistics.median(sides)) if sides else None
