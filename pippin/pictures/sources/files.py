"""Files on disk: all files of a folder, or those that a text file lists."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pippin.errors import SourceError
from pippin.pictures.decoding.picture import Decoded, read_picture
from pippin.pictures.os_errors import is_temporary, why
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.refused import Refused
from pippin.pictures.sources.base import Sharing, SourceItem, hashed, shorter_side
from pippin.pictures.sources.moving import read_frame
from pippin.pictures.sources.tables import WithTables

CREDITS_FILE = "CREDITS.csv"
"""Name of the file with the credits of collected pictures. It is skipped like a hidden file."""

NO_FILE = "not a file but a pipe, socket or device"
FORBIDDEN = "no permission to read it"
BROKEN_LINK = "a broken link"
MISSING = "there is no such file"


class FileSource(WithTables):
    """Files below a folder.

    Args:
        folder: The folder that their paths are relative to.
        items: The files.
        name: A short name for messages.
        location: What identifies the source each time it is opened.
    """

    noun = "file"
    trims_bars = True
    sharing = Sharing.PROCESSES
    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path, items: Sequence[SourceItem], name: str, location: str) -> None:
        self.folder, self.items, self.name, self.location = folder, items, name, location

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the items, which may be many, when the source is pickled."""
        return {**self.__dict__, "items": []}

    def stamp(self) -> str:
        """Return a hash of the path, length and time of change of every file."""
        return hashed(f"{item.path}\0{item.bytes}\0{item.mtime_ns}\0{item.problem}" for item in self.items)

    def read(self, item: SourceItem, image_size: int, needed_side: int, preparation: Preparation) -> Decoded:
        """Read one file, or one frame of it; see `read_picture`."""
        path = self.folder / (item.file or item.path)
        if item.file is not None:
            decoded = read_frame(path, item, needed_side, preparation)
        else:
            decoded = read_picture(path, needed_side, preparation)
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (item.bytes, item.mtime_ns):
            raise Refused("changed while the folder was read: prepare again when it is complete")
        return decoded

    def content(self, item: SourceItem) -> bytes:
        """Return the content of one file."""
        return (self.folder / item.path).read_bytes()

    def side(self, item: SourceItem) -> int | None:
        """Return the shorter side of one picture from the header of its file."""
        return shorter_side(self.folder / item.path)


def open_folder(folder: Path) -> FileSource:
    """Open a folder with all files in it and in its subfolders, in the order of their paths.

    Hidden files and folders and the credits of collected pictures are skipped.

    Raises:
        SourceError: If the folder cannot be read, or is empty.
    """
    folder = folder.resolve()
    try:
        items = Packed(SourceItem, sorted(_walk(folder, folder), key=lambda one: one.path))
    except OSError as error:
        raise SourceError(
            f"The folder cannot be read ({why(error)}); check its permissions. Received: source={str(folder)!r}"
        ) from None
    if not items:
        raise SourceError(f"The folder is empty; put at least two pictures into it. Received: source={str(folder)!r}")
    return FileSource(folder, items, folder.name or str(folder), str(folder))


def open_list(path: Path) -> FileSource:
    """Open a text file with a path on each line, absolute or relative to the file's folder. Empty lines are skipped.

    Raises:
        SourceError: If the file cannot be read, is not a text, or lists nothing.
    """
    path = path.resolve()
    try:
        lines = path.read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise SourceError(f"The list cannot be read ({why(error)}). Received: source={str(path)!r}") from None
    paths = dict.fromkeys(line.strip() for line in lines if line.strip())
    if any("\0" in line for line in paths):
        raise SourceError(f"The list is not a text with a path on each line. Received: source={str(path)!r}")
    if not paths:
        raise SourceError(f"The list is empty; write a path on each line. Received: source={str(path)!r}")
    return FileSource(
        path.parent, Packed(SourceItem, (_item_at(path.parent, line) for line in paths)), path.stem, str(path)
    )


def _item_at(folder: Path, path: str) -> SourceItem:
    """Return the item at one path."""
    try:
        status = os.stat(os.path.join(folder, path))
    except PermissionError:
        return SourceItem(path, problem=FORBIDDEN)
    except (FileNotFoundError, NotADirectoryError):
        return SourceItem(path, problem=BROKEN_LINK if (folder / path).is_symlink() else MISSING)
    except OSError as error:
        if is_temporary(error):
            raise
        return SourceItem(path, problem=f"cannot be read ({why(error)})")
    if stat.S_ISDIR(status.st_mode):
        return SourceItem(path, problem="a folder, but the list must name files")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would block for ever
        return SourceItem(path, problem=NO_FILE)
    return SourceItem(path, status.st_size, status.st_mtime_ns)


def _walk(top: Path, folder: Path) -> Iterator[SourceItem]:
    """Yield the files of a folder and its subfolders. Links are followed, but no folder is entered twice.

    This is a loop and not a recursion, because folders may be nested more deeply than Python allows calls.
    """
    visited, waiting = set(), [folder]
    while waiting:
        folder = waiting.pop()
        path = folder.relative_to(top).as_posix()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                names = sorted(
                    entry.name for entry in entries if not entry.name.startswith(".") and entry.name != CREDITS_FILE
                )
        except OSError as error:
            if folder == top or is_temporary(error):
                raise
            yield SourceItem(path, problem=f"a folder that cannot be read ({why(error)})")
            continue
        prefix = "" if folder == top else f"{path}/"
        for name in names:
            if os.path.isdir(os.path.join(folder, name)):
                waiting.append(folder / name)
            else:
                yield _item_at(top, prefix + name)
