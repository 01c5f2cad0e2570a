"""The main content of a folder: pictures, or parquet files, an archive or an array that hold more pictures than it."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.packed import Packed
from pippin.pictures.sources.archives import ARCHIVE_SUFFIXES, open_archive
from pippin.pictures.sources.arrays import ARRAY_SUFFIXES, open_array
from pippin.pictures.sources.base import Source, SourceItem
from pippin.pictures.sources.files import FileSource
from pippin.pictures.sources.moving import is_video
from pippin.pictures.sources.parquet import SUFFIX, ParquetSource

SURELY_PICTURES = 1000
"""Number of pictures from which a folder is a folder of pictures, so that archives beside them are not opened."""

NAMED = 3
"""Number of files that a message names."""

BESIDE = "holds pictures, but is passed over beside others: give it as SOURCE to use it"


def main_content(folder: FileSource) -> Source:
    """Return what a folder mainly holds: itself, its parquet files, or its only archive or array.

    What is passed over is said in the notes of the source, or as the reason to refuse the files.

    Raises:
        SourceError: If it holds several archives or arrays with more pictures than beside them.
    """
    files = [item for item in folder.items if item.problem is None]
    pictures = [item.path for item in files if _is_picture(item.path)]
    parquet = [item.path for item in files if item.path.lower().endswith(SUFFIX)]
    others = [item.path for item in files if item.path.lower().endswith((*ARCHIVE_SUFFIXES, *ARRAY_SUFFIXES))]
    if not (parquet or others) or len(pictures) >= SURELY_PICTURES:
        return folder
    table = _opened(partial(_parquet, folder, parquet), must=not pictures and not others) if parquet else None
    if table is not None and len(table.items) > len(pictures):
        return _with_note(table, [*pictures, *others], "the parquet files")
    held = {path: source for path in others if (source := _opened(partial(_container, folder, path)))}
    counts = {path: _count(source) for path, source in held.items()}
    larger = [path for path, count in counts.items() if count > len(pictures)]
    if len(larger) > 1 and sum(counts.values()) > len(pictures):
        raise SourceError(
            f"The folder holds {len(larger):,} archives or arrays with pictures ({_named(larger)}); give one of them "
            f"as SOURCE, or unpack them into one folder. Received: source={folder.location!r}"
        )
    if larger:
        return _with_note(held[larger[0]], [path for path in [*pictures, *others] if path != larger[0]], larger[0])
    passed_over = {path for path, count in counts.items() if count}
    if passed_over:
        items = (SourceItem(i.path, i.bytes, i.mtime_ns, BESIDE) if i.path in passed_over else i for i in folder.items)
        folder.items = Packed(SourceItem, items)
    return folder


def _parquet(folder: FileSource, paths: Sequence[str]) -> Source:
    """Return the source of parquet files."""
    return ParquetSource(folder.folder, [folder.folder / path for path in paths])


def _container(folder: FileSource, path: str) -> Source:
    """Return the source of an archive or an array."""
    file: Path = folder.folder / path
    return open_array(file) if path.lower().endswith(ARRAY_SUFFIXES) else open_archive(file)


def _opened(open_it: Callable[[], Source], must: bool = False) -> Source | None:
    """Return an opened source; None if it holds no pictures, unless it must."""
    try:
        return open_it()
    except SourceError:
        if must:
            raise
        return None


def _count(source: Source) -> int:
    """Return how many pictures an archive or an array may hold."""
    if source.noun == "picture":
        return len(source.items)
    return sum(_is_picture(item.path) for item in source.items if item.problem is None)


def _is_picture(path: str) -> bool:
    """Return whether a file has the extension of a picture or a video."""
    return os.path.splitext(path)[1].lower() in Image.registered_extensions() or is_video(path)


def _with_note(source: Source, passed_over: Sequence[str], used: str) -> Source:
    """Return a source with a note on what was passed over beside it."""
    if passed_over:
        count = f"{len(passed_over):,} file" + ("" if len(passed_over) == 1 else "s")
        source.notes = (f"passed over: {count} ({_named(passed_over)}), because more pictures are in {used}",)
    return source


def _named(paths: Sequence[str]) -> str:
    """Return the first paths."""
    return ", ".join(paths[:NAMED]) + (", …" if len(paths) > NAMED else "")
