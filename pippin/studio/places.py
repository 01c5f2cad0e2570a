"""Places: the folders that a user may choose on the page.

The page never sends a path, except where the user types one. It sends the id of a place, and ids exist only for folders
that may be chosen: those named on the command line, and those in them. On this computer, folders below the home folder
and the working folder may be chosen too, if the user confirms it; with `--host` they may not. Hidden folders, and
links that lead elsewhere, are left out.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from pippin.errors import SourceError
from pippin.host.text import printable
from pippin.pictures.os_errors import why
from pippin.studio.answers import RequestError, not_found
from pippin.studio.config import StudioConfig

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
    *(".ppm", ".pgm", ".jp2", ".mp4", ".mov", ".webm", ".mkv", ".avi"),
)
"""Suffixes of pictures and videos, for counting them and for uploads."""

MOST_COUNTED = 10_000
"""Largest number of files of a folder that are counted, and of folders that are listed."""

Kind = Literal["named", "working", "home", "folder"]


@dataclass(frozen=True)
class Place:
    """A folder that may be chosen.

    Attributes:
        path: the folder, absolute and without links.
        kind: where it comes from.
    """

    path: Path
    kind: Kind

    @property
    def id(self) -> str:
        """The id of the place."""
        return path_id(self.path)

    def to_dict(self) -> dict[str, str]:
        """Return the place as the page gets it."""
        name = printable(self.path.name or str(self.path))
        return {"id": self.id, "name": name, "path": printable(str(self.path)), "kind": self.kind}


def path_id(path: Path) -> str:
    """Return an id for a path, the same after a restart: 16 hexadecimal digits."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


class Places:
    """The folders that may be chosen.

    Args:
        config: the arguments of the studio.
    """

    def __init__(self, config: StudioConfig) -> None:
        self._named = config.folders
        self._others: dict[Path, Kind] = {}
        if not config.is_remote:
            self._others[Path.cwd().resolve()] = "working"
            home = Path(os.path.expanduser("~")).resolve()
            if home.is_dir() and home != home.parent:
                self._others.setdefault(home, "home")
        self._known = {place.id: place for place in self.starting()}

    def starting(self) -> list[Place]:
        """Return the folders from which others are chosen."""
        others = [Place(path, kind) for path, kind in self._others.items() if path not in self._named]
        return [*(Place(path, "named") for path in self._named), *others]

    def get(self, place_id: str) -> Place:
        """Return a place. Raises a `RequestError` if there is none."""
        if place_id not in self._known:
            raise not_found("folder")
        return self._known[place_id]

    def is_named(self, path: Path) -> bool:
        """Return whether a folder without links is one that was named on the command line, or in one."""
        return any(path.is_relative_to(named) for named in self._named)

    def is_allowed(self, path: Path) -> bool:
        """Return whether a folder without links may be chosen."""
        if self.is_named(path):
            return True
        below = (path.relative_to(top).parts for top in self._others if path.is_relative_to(top))
        return any(not any(part.startswith(".") for part in parts) for parts in below)

    def add_typed(self, text: str, confirmed: bool) -> Place:
        """Return the place for a path that the user typed.

        Raises:
            RequestError: it may not be chosen, or the user must confirm it first.
            SourceError: there is no such folder.
        """
        try:
            path = Path(text).expanduser().resolve() if text.strip() else None
            is_folder = path is not None and self.is_allowed(path) and path.is_dir()
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # a name that no folder can have, an unknown user, or a loop of links
            path, is_folder = None, False
        if path is not None and not self.is_allowed(path):
            raise RequestError(
                403,
                "forbidden",
                "The studio may not read this folder; name it on the command line: pippin studio FOLDER.",
            )
        if path is None or not is_folder:
            raise SourceError(f"There is no such folder. Received: {printable(text)[:1000]}")
        place = self._known.get(path_id(path)) or Place(path, "folder")
        self.require_confirmed(place, confirmed)
        return self._add(place)

    def require_confirmed(self, place: Place, confirmed: bool) -> None:
        """Raise a `RequestError` if the user must first confirm that the studio may read a folder."""
        if not confirmed and not self.is_named(place.path):
            raise RequestError(403, "confirm", f"Let the studio read this folder? {printable(str(place.path))}")

    def folders_in(self, place: Place) -> list[Place]:
        """Return the folders in a place that may be chosen, sorted by name.

        Raises:
            SourceError: the folder cannot be read.
        """
        with reading(place.path), os.scandir(place.path) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST_COUNTED) if _is_shown_folder(entry))
        paths = ((place.path / name).resolve() for name in names)
        return [self._add(Place(path, "folder")) for path in paths if self.is_allowed(path)]

    def parent(self, place: Place) -> Place | None:
        """Return the folder that a place is in, if it may be chosen."""
        parent = place.path.parent
        return self._add(Place(parent, "folder")) if self.is_allowed(parent) and parent != place.path else None

    def _add(self, place: Place) -> Place:
        return self._known.setdefault(place.id, place)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a SourceError."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"The folder cannot be read ({why(error)}). Received: {printable(str(path))}") from None


def count_pictures(place: Place) -> int:
    """Return the number of pictures directly in a place, at most `MOST_COUNTED`; 0 if it cannot be read."""
    try:
        with os.scandir(place.path) as entries:
            return sum(entry.name.lower().endswith(PICTURE_SUFFIXES) for entry in islice(entries, MOST_COUNTED))
    except OSError:
        return 0


def _is_shown_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:
        return False
