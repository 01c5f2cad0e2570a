"""Files on disk: all of a folder, or those that a text file lists."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pippin.errors import SourceError
from pippin.pictures.colour import Refused
from pippin.pictures.decoding import Decoded, read_picture
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.sources.base import Sharing, SourceItem, hashed, shorter_side
from pippin.pictures.sources.moving import read_frame

CREDITS_FILE = "CREDITS.csv"
"""What is written beside pictures that were collected; it is passed over like a hidden file."""

NO_FILE = "not a file but a pipe, socket or device"
FORBIDDEN = "its permissions forbid reading it"
NOWHERE = "a link that leads nowhere"


class FileSource:
    """Files below a folder.

    Args:
        folder: What their paths are relative to.
        items: The files.
        name: A short name for people.
        location: What the source is, the same whenever it is opened.
    """

    noun = "file"
    trims_bars = True
    sharing = Sharing.PROCESSES

    def __init__(self, folder: Path, items: Sequence[SourceItem], name: str, location: str) -> None:
        self.folder, self.items, self.name, self.location = folder, items, name, location

    def __getstate__(self) -> dict[str, Any]:
        """Goes to other processes without its list, which may be long."""
        return {**self.__dict__, "items": []}

    def stamp(self) -> str:
        """Returns a hash of every file's path, length and time of change."""
        return hashed(f"{item.path}\0{item.bytes}\0{item.mtime_ns}\0{item.problem}" for item in self.items)

    def read(self, item: SourceItem, image_size: int, enough: int, preparation: Preparation) -> Decoded:
        """Reads one file, or one frame of it; see `read_picture`."""
        path = self.folder / (item.file or item.path)
        if item.file is not None:
            decoded = read_frame(path, item, enough, preparation)
        else:
            decoded = read_picture(path, enough, preparation)
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (item.bytes, item.mtime_ns):
            raise Refused("changed while the pictures were looked at: do it again when it is ready")
        return decoded

    def side(self, item: SourceItem) -> int | None:
        """Looks at the head of one file."""
        return shorter_side(self.folder / item.path)


def open_folder(folder: Path) -> FileSource:
    """Opens a folder: every file in it and in the folders within it, in the order of their paths.

    Hidden files and folders are left out, and the credits of collected pictures.

    Raises:
        SourceError: If it cannot be read, or is empty.
    """
    folder = folder.resolve()
    try:
        items = Packed(SourceItem, sorted(_walk(folder, folder), key=lambda one: one.path))
    except OSError as error:
        raise SourceError(
            f"The folder cannot be read ({error.strerror}); check its permissions. Received: source={str(folder)!r}"
        ) from None
    if not items:
        raise SourceError(f"The folder is empty; put at least two pictures into it. Received: source={str(folder)!r}")
    return FileSource(folder, items, folder.name or str(folder), str(folder))


def open_list(path: Path) -> FileSource:
    """Opens a text file with a path in each line, absolute or relative to the file's folder; empty lines are left out.

    Raises:
        SourceError: If it cannot be read, is no text, or lists nothing.
    """
    path = path.resolve()
    try:
        lines = path.read_bytes().decode("utf-8-sig", "surrogateescape").splitlines()
    except OSError as error:
        raise SourceError(f"The list cannot be read ({error.strerror}). Received: source={str(path)!r}") from None
    paths = dict.fromkeys(line.strip() for line in lines if line.strip())
    if any("\0" in line for line in paths):
        raise SourceError(f"The list is not a text with a path in each line. Received: source={str(path)!r}")
    if not paths:
        raise SourceError(f"The list is empty; write a path in each line. Received: source={str(path)!r}")
    return FileSource(
        path.parent, Packed(SourceItem, (_look(path.parent, line) for line in paths)), path.stem, str(path)
    )


def _look(folder: Path, path: str) -> SourceItem:
    """Finds out what there is at one path."""
    try:
        status = os.stat(os.path.join(folder, path))
    except PermissionError:
        return SourceItem(path, problem=FORBIDDEN)
    except OSError:
        nowhere = (folder / path).is_symlink()
        return SourceItem(path, problem=NOWHERE if nowhere else "there is no such file")
    if stat.S_ISDIR(status.st_mode):
        return SourceItem(path, problem="a folder, and the list names files")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return SourceItem(path, problem=NO_FILE)
    return SourceItem(path, status.st_size, status.st_mtime_ns)


def _walk(top: Path, folder: Path) -> Iterator[SourceItem]:
    """Goes through a folder. Links are followed, but no folder is entered twice, so a loop of links ends.

    A loop rather than a recursion, since folders may be nested deeper than Python calls.
    """
    seen, waiting = set(), [folder]
    while waiting:
        folder = waiting.pop()
        path = folder.relative_to(top).as_posix()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as items:
                names = sorted(
                    item.name for item in items if not item.name.startswith(".") and item.name != CREDITS_FILE
                )
        except OSError as error:
            if folder == top:
                raise
            yield SourceItem(path, problem=f"a folder that cannot be read ({error.strerror})")
            continue
        above = "" if folder == top else f"{path}/"
        for name in names:
            if os.path.isdir(os.path.join(folder, name)):
                waiting.append(folder / name)
            else:
                yield _look(top, above + name)
