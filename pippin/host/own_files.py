"""Reading a folder that someone else may have made: no link in it is followed, and only regular files are read."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from pippin.errors import RunError


def require_own(path: Path, folder: Path | None = None) -> Path:
    """Return a path in a run's folder if it can be read and written without leaving the folder.

    The folder itself may be a link: the user named it.

    Args:
        path: a path in the folder. There may be nothing.
        folder: the folder of the run. By default it is the one that holds the path.

    Raises:
        RunError: the path or a folder on the way to it is a link, or it is neither a regular file nor a folder.
    """
    folder = path.parent if folder is None else folder
    for part in [*reversed(path.parents[: len(path.relative_to(folder).parts) - 1]), path]:
        try:
            mode = part.lstat().st_mode
        except FileNotFoundError:
            return path
        except (OSError, ValueError) as problem:
            raise RunError(f"{part.name} cannot be read: {problem}. Received: {part}") from None
        if stat.S_ISLNK(mode) or getattr(part, "is_junction", lambda: False)():
            raise RunError(
                f"{part.name} is a link, and Pippin follows no link inside a run; replace it with what it points to, "
                f"or remove it. Received: {part}"
            )
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RunError(f"{part.name} is not a regular file; remove it. Received: {part}")
    return path


def is_own_file(path: Path, folder: Path | None = None) -> bool:
    """Return whether there is a regular file; for the arguments and errors see `require_own`."""
    return require_own(path, folder).is_file()


def open_own(path: Path, folder: Path | None = None) -> BinaryIO:
    """Open a file of a run for reading; for the arguments see `require_own`.

    Raises:
        OSError: the file cannot be opened.
        RunError: see `require_own`.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.fdopen(os.open(require_own(path, folder), flags), "rb")


def read_own(path: Path, most: int, folder: Path | None = None) -> bytes | None:
    """Return what a file of a run holds; None if there is no file.

    Args:
        path: the file.
        most: the largest size in bytes.
        folder: the folder of the run. By default it is the one that holds the file.

    Raises:
        RunError: the file cannot be read, is larger, or see `require_own`.
    """
    try:
        with open_own(path, folder) as file:
            contents = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise RunError(f"{path.name} cannot be read: {problem.strerror or problem}. Received: {path}") from None
    if len(contents) > most:
        raise RunError(f"{path.name} is larger than the limit of {most / 2**20:,.0f} MiB. Received: {path}")
    return contents
