"""Sources of pictures: one module for each kind, with the interface in `base`."""

import errno
import os
import stat
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from pippin.errors import SourceError
from pippin.pictures.sources.archives import ARCHIVE_SUFFIXES, open_archive
from pippin.pictures.sources.arrays import ARRAY_SUFFIXES, ArraySource, array_digest, open_array
from pippin.pictures.sources.base import Sharing, Source, SourceItem, reading_source
from pippin.pictures.sources.built_in import BUILT_IN, BUILT_IN_PLACE, BuiltInSource
from pippin.pictures.sources.files import open_folder, open_list
from pippin.pictures.sources.keras_sets import PREFIX, open_keras_set
from pippin.pictures.sources.main_content import main_content
from pippin.pictures.sources.parquet import SUFFIX, ParquetSource
from pippin.pictures.sources.wrong_names import explain_missing, explain_several, shown

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
    if isinstance(source, (list, tuple)) and len(source) > 1 and isinstance(source[0], (str, os.PathLike)):
        raise SourceError(explain_several(source))
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
    if not str(source).strip():
        raise SourceError(
            "SOURCE is empty; give the folder of the pictures, or . for the current one. "
            f"Received: source={str(source)!r}"
        )
    mode = _mode(path)
    if source == BUILT_IN_PLACE or (source == BUILT_IN and not stat.S_ISDIR(mode or 0)):
        return BuiltInSource()
    if mode is None:
        raise SourceError(f"{explain_missing(str(source))}. Received: source={shown(source)}")
    if stat.S_ISDIR(mode):
        return main_content(open_folder(path))
    return _open_file(path)


def _mode(path: Path) -> int | None:
    """Return the type of a file or folder as `stat` gives it; None if there is none, or can be none of this name."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: the name holds a zero byte
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SourceError(
                "The name of SOURCE is too long; give a folder, or write a list of files into a .txt file, with a path "
                f"on each line. Received: source={shown(path)}"
            ) from None
        raise


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
