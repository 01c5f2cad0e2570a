"""Picture sets: the sources that the user chose or uploaded on the page, and the pictures that are left out of them."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pippin.errors import SourceError
from pippin.host.files import atomic_path, run_errors
from pippin.host.text import portable_name, printable
from pippin.studio.answers import RequestError, not_found
from pippin.studio.audits import SetAudit, StoredAudit
from pippin.studio.places import Place, Places, path_id
from pippin.studio.stored import Stored, read_stored, write_stored

BUILT_IN = "apples"
"""The built-in set."""

LISTED_NAMES = set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
"""Characters that end a line in a list of files, so that it cannot name files with them."""

Kind = Literal["folder", "upload", "built_in"]


class StoredSet(Stored):
    """What the studio stores about a picture set.

    Attributes:
        path: the folder, or the name of the built-in set.
        kind: whether it is a folder of the user, an upload, or built in.
        name: a name for the user.
        left_out: paths of the files that are left out, relative to the folder.
        audit: where the last audit is.
    """

    path: str
    kind: Kind
    name: str
    left_out: list[str] = Field(default=[])
    audit: StoredAudit | None = None


class PictureSet:
    """A source of pictures that the user chose.

    Args:
        stored: what is stored about it.
        file: the file that stores it.
    """

    def __init__(self, stored: StoredSet, file: Path) -> None:
        self.stored, self._file = stored, file
        self.left_out = set(stored.left_out)
        self.lock = threading.RLock()
        self._audit: SetAudit | None = None
        self.version = 0
        self._usage: tuple[int, int] | None = None

    @property
    def id(self) -> str:
        """The id of the set."""
        return self._file.stem

    @property
    def folder(self) -> Path:
        """The folder of the pictures."""
        return Path(self.stored.path)

    @property
    def audit(self) -> SetAudit | None:
        """The last audit, or None. It is opened when it is first asked for."""
        with self.lock:
            if self._audit is None and self.stored.audit is not None:
                self._audit = SetAudit.reopen(self.stored.audit)
                if self._audit is None:
                    self.stored.audit = None
            return self._audit

    def set_audit(self, audit: SetAudit) -> None:
        """Store the result of an audit."""
        with self.lock:
            self._audit, self.stored.audit = audit, audit.stored
            self._save()

    def require_audit(self, audit_id: str | None = None) -> SetAudit:
        """Return the last audit. Raises a `RequestError` if there is none, or another one than the page knows."""
        audit = self.audit
        if audit is None or audit_id not in (None, audit.id):
            raise RequestError(409, "stale", "The pictures were not checked yet, or again since then; reload the list.")
        return audit

    def usage(self) -> tuple[int, int]:
        """Return the number of files in the folder of an upload, and their bytes. The folder is read once."""
        with self.lock:
            if self._usage is None:
                with os.scandir(self.folder) as entries:
                    sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
                self._usage = len(sizes), sum(sizes)
            return self._usage

    def count_upload(self, size: int) -> None:
        """Count an uploaded file of `size` bytes."""
        with self.lock:
            files, total = self.usage()
            self._usage = files + 1, total + size
            self.version += 1

    def leave_out(self, paths: Iterable[str], left_out: bool) -> None:
        """Leave files out, or take them back.

        Args:
            paths: paths of files relative to the folder.
            left_out: whether to leave them out.
        """
        with self.lock:
            self.left_out = self.left_out | set(paths) if left_out else self.left_out - set(paths)
            self._save()

    def _save(self) -> None:
        self.stored.left_out = sorted(self.left_out)
        write_stored(self._file, self.stored)
        self.version += 1

    def list_text(self) -> str:
        """Return the text of a list of the files that are not left out, with a path on each line."""
        files = self.require_audit().files()
        kept = [path for path in files if path not in self.left_out and not LISTED_NAMES & set(path)]
        if len(kept) < 2:
            raise SourceError(f"At least two pictures must not be left out. Received: {len(kept)}")
        return "".join(f"{os.path.join(self.folder, path)}\n" for path in kept)


class PictureSets:
    """All picture sets of a studio.

    Args:
        root: the studio's folder beside the runs.
        places: the folders that may be chosen.
    """

    def __init__(self, root: Path, places: Places) -> None:
        self._root, self._places = root, places
        self._sets: dict[str, PictureSet] = {}
        self.version = 0
        for file in sorted((root / "sets").glob("*.json")) if (root / "sets").is_dir() else []:
            stored = read_stored(file, StoredSet)
            if stored is not None and file.stem == path_id(Path(stored.path)) and self._may_read(stored):
                self._sets[file.stem] = PictureSet(stored, file)

    @property
    def uploads(self) -> Path:
        """The folder of the uploads."""
        return self._root / "uploads"

    def all(self) -> list[PictureSet]:
        """Return the sets whose folder still exists."""
        return [known for known in self._sets.values() if known.stored.kind == "built_in" or known.folder.is_dir()]

    def get(self, set_id: str) -> PictureSet:
        """Return a set. Raises a `RequestError` if there is none."""
        if set_id not in self._sets:
            raise not_found("picture set")
        return self._sets[set_id]

    def of_source(self, source: str) -> PictureSet | None:
        """Return the set of a source, as a run names it, or None."""
        name = BUILT_IN if source.startswith("built-in:") else source
        return self._sets.get(path_id(Path(name)))

    def add_place(self, place: Place) -> PictureSet:
        """Return the set of a folder that the user chose."""
        return self._add(StoredSet(path=str(place.path), kind="folder", name=printable(place.path.name)))

    def add_built_in(self) -> PictureSet:
        """Return the set of the built-in pictures."""
        return self._add(StoredSet(path=BUILT_IN, kind="built_in", name=BUILT_IN))

    def add_upload(self, name: str) -> PictureSet:
        """Return a new set for uploads, with an empty folder."""
        wanted = portable_name(name).replace(" ", "-")[:60].lstrip(".-") or "pictures"
        with run_errors(self._root):
            self.uploads.mkdir(parents=True, exist_ok=True)
            for number in range(1, 10_000):
                folder = self.uploads / (wanted if number == 1 else f"{wanted}-{number}")
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue
                return self._add(StoredSet(path=str(folder.resolve()), kind="upload", name=folder.name))
        raise RequestError(409, "busy", "There are too many uploads of this name; choose another one.")

    def list_file(self, name: str) -> Path:
        """Return the file for a list of pictures."""
        return self._root / "lists" / f"{portable_name(name)}.txt"

    def source_of(self, chosen: PictureSet, list_name: str | None = None) -> str:
        """Return what the command line takes as the source of a set, and write the list if files are left out.

        Args:
            chosen: the set.
            list_name: name of the list. A run gets a list of its own, which later changes leave as it is.
        """
        if not chosen.left_out:
            return short_path(chosen.folder) if chosen.stored.kind != "built_in" else BUILT_IN
        file = self.list_file(list_name or chosen.stored.name)
        with run_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_list(file, chosen.list_text())
        return str(file)

    def _add(self, stored: StoredSet) -> PictureSet:
        set_id = path_id(Path(stored.path))
        if set_id not in self._sets:
            added = PictureSet(stored, self._root / "sets" / f"{set_id}.json")
            write_stored(self._root / "sets" / f"{set_id}.json", stored)
            self._sets[set_id] = added
            self.version += 1
        return self._sets[set_id]

    def _may_read(self, stored: StoredSet) -> bool:
        """Return whether a stored set may be read. Someone else may have made the folder that it is stored in."""
        if stored.kind == "built_in":
            return stored.path == BUILT_IN
        path = Path(stored.path)
        return path.is_absolute() and path.resolve() == path and self.may_read(path)

    def may_read(self, folder: Path) -> bool:
        """Return whether the studio may read a folder without links."""
        return folder.is_relative_to(self.uploads.resolve()) or self._places.is_allowed(folder)

    def changes(self) -> int:
        """Return a number that changes when a set does."""
        return self.version + sum(known.version for known in self._sets.values())

    def facts(self, chosen: PictureSet, job: str | None) -> dict[str, Any]:
        """Return a set as the page gets it."""
        audit = chosen.audit
        source = str(self.list_file(chosen.stored.name)) if chosen.left_out else self.source_of(chosen)
        return {
            "id": chosen.id,
            "name": printable(chosen.stored.name),
            "path": printable(chosen.stored.path),
            "kind": chosen.stored.kind,
            "left_out": len(chosen.left_out),
            "audit": None if audit is None else audit.summary(chosen.left_out),
            "job": job,
            "source": printable(source),
        }


def write_list(file: Path, text: str) -> None:
    """Write a list of files. Its bytes are those of the names, also of names that are not UTF-8."""
    with atomic_path(file) as part:
        part.write_bytes(os.fsencode(text))


def short_path(path: Path) -> str:
    """Return a path as short as the command line takes it: relative to the working folder if it is in it."""
    working = Path.cwd().resolve()
    return str(path.relative_to(working)) if path.is_relative_to(working) else str(path)
