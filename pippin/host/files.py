"""Reading and writing files: atomic writes, and errors of one line."""

import errno
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pippin.errors import PippinError, RunError


def damaged(path: Path, problem: Exception, most: int = 120) -> str:
    """Return the message for a file that cannot be read, with at most `most` characters of the reason."""
    why = " ".join(str(problem).split())[:most]
    return f"{path.name} is damaged, or not one of Pippin's ({why}). Received: {path}"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file that holds one in each line. Incomplete lines are skipped.

    If there is no such file, the list is empty.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [entry for line in lines if (entry := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    """Return the object of a line, or None if a killed process left the line incomplete."""
    try:
        return json.loads(line)
    except ValueError:
        return None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename the file to `path` when the block ends without an error.

    At every moment `path` is either the whole old file or the whole new one. The temporary file lies in the same
    folder, has a random name and the same suffix, and is created exclusively, so no other file or link is written to.
    After an error it is removed; after a kill `remove_leftovers` removes it.

    Args:
        path: the file to write. Its folder must exist.

    Raises:
        OSError: the file cannot be written there.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    part.touch(exist_ok=False)
    try:
        mode = part.stat().st_mode
        yield part
        if part.stat().st_mode != mode:  # some libraries replace the file with one that only its owner may read
            part.chmod(mode)
        _replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str) -> None:
    r"""Write a text file in UTF-8 with `atomic_path`.

    Bytes of file names that are not UTF-8 become escapes such as `\udcff`, which JSON reads as the same bytes.

    Raises:
        OSError: the file cannot be written there.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def atomic_files(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield a temporary folder, and move its files into `folder` when the block ends without an error.

    Args:
        folder: where the files go. It is created if it does not exist; files of the same names are replaced.
        names: the files to move, in this order.

    Raises:
        OSError: the files cannot be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as part:
        yield Path(part)
        for name in names:
            _replace(Path(part) / name, folder / name)


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file in UTF-8, and flush it to the disk. After an error, the file is as it was before.

    If a killed process left the last line of the file incomplete, the new line begins after it. No link is followed.

    Args:
        path: the file. It is created if it does not exist.
        line: the line, without a line break.

    Raises:
        OSError: the file cannot be written.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o666), "rb+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        try:
            unwritten = memoryview(f"{line}\n".encode())
            while unwritten:
                unwritten = unwritten[file.write(unwritten) :]
            os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                file.truncate(size)
            raise


def _replace(part: Path, path: Path) -> None:
    """Flush a file to the disk, rename it to `path`, and flush the folder, so that a power failure undoes neither."""
    flush(part)
    os.replace(part, path)
    flush_folder(path.parent)


def flush(path: Path) -> None:
    """Flush a file to the disk. Raises an `OSError` if the disk reports an error."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Flush the names in a folder to the disk, where the system and the file system can do that."""
    if os.name == "nt":
        return
    try:
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as problem:
        if problem.errno not in _CANNOT_FLUSH_FOLDERS:
            raise


_CANNOT_FLUSH_FOLDERS = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM)
"""Error numbers of file systems that cannot flush a folder, or of a folder whose names the user may not list."""


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder and its subfolders; see `atomic_path`."""
    for path in folder.rglob(".*.part*"):
        if is_leftover(path):
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Return whether a path is a temporary file of `atomic_path`: it has such a name, and it is a regular file."""
    return bool(_PART.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


_PART = re.compile(r"\.[0-9a-f]{16}\.part(\.\w+)?")


@contextmanager
def output_path(path: Path, what: str, error: type[PippinError] = PippinError) -> Iterator[Path]:
    """Yield a temporary path as `atomic_path` does. Create missing folders, and name what could not be written.

    Args:
        path: the file to write.
        what: what the file is, for the message: "picture".
        error: the class of the error.

    Raises:
        PippinError: the file cannot be written there; of the class `error`.
    """
    with write_errors(path, what, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            try:
                yield part
            except PippinError:
                raise
            except (ValueError, KeyError) as problem:  # Pillow raises these for images that a format cannot hold
                raise OSError(str(problem)) from None


@contextmanager
def write_errors(path: Path, what: str, error: type[PippinError] = PippinError) -> Iterator[None]:
    """Turn an OSError of the block into an `error` that says what could not be written, why and where.

    The OSError is the error's cause, which `storage_problem` returns.
    """
    try:
        yield
    except OSError as problem:
        raise error(f"The {what} cannot be written: {problem.strerror or problem}. Received: {path}") from problem


def storage_problem(error: BaseException) -> OSError | None:
    """Return the OSError of an error if a file could not be written, or else None."""
    return error if isinstance(error, OSError) else error.__cause__ if isinstance(error.__cause__, OSError) else None


def run_errors(folder: Path) -> AbstractContextManager[None]:
    """Turn an OSError of the block into a RunError that names the run's folder."""
    return write_errors(folder, "run", RunError)
