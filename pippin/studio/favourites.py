"""Favourites: positions that the user keeps, each with a picture whose provenance the command line takes."""

import secrets
import threading
import time
from pathlib import Path
from typing import Any

from pydantic import Field

from pippin.errors import RunError
from pippin.host.files import run_errors
from pippin.host.own_files import read_own, require_own
from pippin.host.text import printable
from pippin.runs.snapshots import MAX_PICTURE_BYTES
from pippin.studio.answers import RequestError, not_found
from pippin.studio.positions import Position
from pippin.studio.stored import FOLDER, Stored, read_stored, write_stored

MAX_FAVOURITES = 1000
"""Largest number of favourites of a run."""

MAX_NAME = 200
"""Largest length of a favourite's name, in characters."""


class Favourite(Stored):
    """A favourite.

    Attributes:
        id: its id, the name of its picture.
        name: what the user calls it.
        position: what it is generated from.
        batch: number of batches that the weights were trained for.
        created: when it was kept, in seconds since 1970.
    """

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    name: str
    position: Position
    batch: int
    created: float


class StoredFavourites(Stored):
    """The favourites of a run."""

    favourites: list[Favourite] = Field(default=[])


class Favourites:
    """The favourites of a run, stored in `studio/` in the run.

    Args:
        run: the folder of the run.
    """

    _lock = threading.RLock()

    def __init__(self, run: Path) -> None:
        self._run = run
        self._file = run / FOLDER / "favourites.json"

    def all(self) -> list[Favourite]:
        """Return the favourites, the newest last."""
        require_own(self._file, self._run)
        stored = read_stored(self._file, StoredFavourites)
        return [] if stored is None else stored.favourites

    def get(self, favourite_id: str) -> Favourite:
        """Return a favourite. Raises a `RequestError` if there is none."""
        for favourite in self.all():
            if favourite.id == favourite_id:
                return favourite
        raise not_found("favourite")

    def new_picture(self) -> tuple[str, Path]:
        """Return the id of a new favourite, and the file for its picture, whose folder exists."""
        favourite_id = secrets.token_hex(8)
        file = self.picture_file(favourite_id)
        with run_errors(self._run):
            file.parent.mkdir(parents=True, exist_ok=True)
        return favourite_id, file

    def picture_file(self, favourite_id: str) -> Path:
        """Return the file of a favourite's picture. Raises a `RunError` if it is a link."""
        return require_own(self._run / FOLDER / "favourites" / f"{favourite_id}.png", self._run)

    def picture(self, favourite_id: str) -> bytes | None:
        """Return the picture of a favourite, or None."""
        return read_own(self.picture_file(self.get(favourite_id).id), MAX_PICTURE_BYTES, self._run)

    def add(self, favourite_id: str, name: str, position: Position, batch: int) -> Favourite:
        """Store a favourite whose picture was written."""
        made = Favourite(id=favourite_id, name=_checked_name(name), position=position, batch=batch, created=time.time())
        with self._lock:
            known = self.all()
            if len(known) >= MAX_FAVOURITES:
                raise RunError(f"A run has {MAX_FAVOURITES:,} favourites at most; remove one first.")
            self._write([*known, made])
        return made

    def rename(self, favourite_id: str, name: str) -> Favourite:
        """Give a favourite another name."""
        with self._lock:
            renamed = self.get(favourite_id).model_copy(update={"name": _checked_name(name)})
            self._write([renamed if known.id == favourite_id else known for known in self.all()])
        return renamed

    def remove(self, favourite_id: str) -> None:
        """Remove a favourite and its picture."""
        with self._lock:
            self.get(favourite_id)
            self._write([known for known in self.all() if known.id != favourite_id])
            with run_errors(self._run):
                self.picture_file(favourite_id).unlink(missing_ok=True)

    def facts(self, run_id: str, favourite: Favourite) -> dict[str, Any]:
        """Return a favourite as the page gets it."""
        return {
            "id": favourite.id,
            "name": printable(favourite.name),
            "position": favourite.position.shown(),
            "batch": favourite.batch,
            "created": favourite.created,
            "url": f"/api/runs/{run_id}/favourites/{favourite.id}.png",
        }

    def _write(self, favourites: list[Favourite]) -> None:
        write_stored(self._file, StoredFavourites(favourites=favourites))


def _checked_name(name: str) -> str:
    """Return a name. Raises a `RequestError` if it is too long."""
    if len(name) > MAX_NAME:
        raise RequestError(400, "settings", f"A name has {MAX_NAME} characters at most.")
    return name.strip()
