"""Files, read and written so that they are whole, or it is said in one line what is wrong."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pippin.errors import PippinError, RunError


def damaged(path: Path, problem: Exception) -> str:
    """Return what to say of a file that cannot be read."""
    why = " ".join(str(problem).split())[:120]
    return f"{path.name} is damaged, or not one of Pippin's ({why}). Received: {path}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except (OSError, ValueError) as problem:
        raise RunError(damaged(path, problem)) from None
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line; nothing where there is no file. Lines that are not whole are left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [entry for line in lines if (entry := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    """A line of the log, or None for one that a killed process left unfinished."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def write_text(path: Path, text: str) -> None:
    """Write a file so that at every moment either the old one or the new one is whole.

    Raises:
        RunError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    with writing(path.parent):
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)


@contextmanager
def whole(path: Path, what: str, error: type[PippinError] = PippinError) -> Iterator[Path]:
    """Give a name to write to beside a file, which takes the file's place when all went well. Missing folders are made.

    Args:
        path: of the file.
        what: it is, for the message.
        error: what is raised.

    Raises:
        PippinError: it cannot be written there.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except PippinError:
        raise
    except (OSError, ValueError, KeyError) as problem:  # the latter two by Pillow
        why = getattr(problem, "strerror", None) or problem
        raise error(f"The {what} cannot be written: {why}. Received: {path}") from None
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a full disk or a forbidden folder which run it is about."""
    try:
        yield
    except OSError as problem:
        raise RunError(f"The run cannot be written: {problem.strerror or problem}. Received: {path}") from None
