"""Reading and writing files: atomic writes, and errors of one line."""

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


def damaged(path: Path, problem: Exception) -> str:
    """Return the message for a file that cannot be read."""
    why = " ".join(str(problem).split())[:120]
    return f"{path.name} is damaged, or not one of Pippin's ({why}). Received: {path}"


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except (OSError, ValueError) as problem:
        raise RunError(damaged(path, problem)) from None
    return found


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
    mode = part.stat().st_mode
    try:
        yield part
        part.chmod(mode)  # some libraries replace the file with one that only its owner may read
        _replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 with `atomic_path`.

    Raises:
        OSError: the file cannot be written there.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


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


def _replace(part: Path, path: Path) -> None:
    """Flush a file to the disk and rename it to `path`."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


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
    """Turn an OSError of the block into an `error` that says what could not be written, why and where."""
    try:
        yield
    except OSError as problem:
        raise error(f"The {what} cannot be written: {problem.strerror or problem}. Received: {path}") from None


def run_errors(folder: Path) -> AbstractContextManager[None]:
    """Turn an OSError of the block into a RunError that names the run's folder."""
    return write_errors(folder, "run", RunError)
