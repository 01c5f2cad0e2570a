"""The interface of all sources, and what they share."""

import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.decoding.camera_raw import refuse_camera_raw
from pippin.pictures.decoding.picture import Decoded, read_picture
from pippin.pictures.os_errors import what_to_do, why
from pippin.pictures.preparation import Preparation
from pippin.pictures.refused import Refused


class Sharing(Enum):
    """How the items of a source can be read in parallel."""

    PROCESSES = "processes"  # the source can be pickled, and opens its files again in each process
    THREADS = "threads"  # the items are in memory
    SEQUENTIAL = "sequential"  # the items can only be read one after the other


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One item of a source that may be a picture. It has not been read yet.

    Args:
        path: Its name within the source, with forward slashes.
        bytes: Its length in bytes.
        mtime_ns: Time of its last change, in nanoseconds since 1970; 0 if it is not a file of its own.
        problem: The reason to refuse it without reading it, if there is one.
        row: Its position in what contains it: the row of an array, or an offset in an archive.
        file: If it is one frame of a file, the path of that file.
        frame: The number of that frame, from 0.
        second: The time at which a video shows that frame, in seconds.
    """

    path: str
    bytes: int = 0
    mtime_ns: int = 0
    problem: str | None = None
    row: int = 0
    file: str | None = None
    frame: int = 0
    second: float = 0.0


@runtime_checkable
class Source(Protocol):
    """Anything that holds pictures.

    Attributes:
        name: A short name for messages.
        location: What identifies the source each time it is opened: its resolved path, or a name.
        noun: What one item is called in messages: `"file"` or `"picture"`.
        trims_bars: Whether its pictures may have padding bars. Arrays and the built-in set are used as they are.
        sharing: How the items can be read in parallel.
        notes: What the user should know about the source, in plain words.
    """

    name: str
    location: str
    noun: str
    trims_bars: bool
    sharing: Sharing
    notes: tuple[str, ...]

    @property
    def items(self) -> Sequence[SourceItem]:
        """All items in a fixed order. In other processes the list is empty."""
        ...

    def stamp(self) -> str:
        """Return a string that changes when the content of the source does."""
        ...

    def read(self, item: SourceItem, image_size: int, needed_side: int, preparation: Preparation) -> Decoded:
        """Return one picture, in RGB or RGBA. Raise `Refused` if the item holds no picture that can be used."""
        ...

    def side(self, item: SourceItem) -> int | None:
        """Return the shorter side of one picture in pixels without decoding it; None if it is unknown."""
        ...

    def label_columns(self) -> dict[str, str]:
        """Return the columns that may hold labels, each with the name of its table. Folders are no column."""
        ...

    def labels(self, column: str) -> Mapping[str, Any]:
        """Return path → value for the items that have a value in a column."""
        ...


class EncodedSource:
    """Base class of sources that hold the contents of picture files."""

    def content(self, item: SourceItem) -> bytes:
        """Return the content of the item's file. Raise `Refused` if it cannot be used."""
        raise NotImplementedError

    def read(self, item: SourceItem, image_size: int, needed_side: int, preparation: Preparation) -> Decoded:
        """Read one picture; see `read_picture`."""
        return read_picture(io.BytesIO(self.content(item)), needed_side, preparation, item.path)

    def side(self, item: SourceItem) -> int | None:
        """Return the shorter side of one picture from the header of its file."""
        try:
            return shorter_side(io.BytesIO(self.content(item)))
        except (Refused, OSError):  # the preparation reports it
            return None


@contextmanager
def reading_source(location: str) -> Iterator[None]:
    """Turn an OSError of the block into a SourceError that says what cannot be read, and why."""
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"The pictures cannot be read ({why(error)}); {what_to_do(error, 'try again')}. Nothing that is prepared "
            f"was removed. Received: {error.filename or location}"
        ) from error


def shorter_side(file: Path | io.BytesIO) -> int | None:
    """Return the shorter side of a picture from the header of its file; None if that cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as picture:
            refuse_camera_raw(file, "", picture.format)
            return min(picture.size)
    except Exception:  # the preparation reports it
        return None


def file_stamp(path: Path) -> str:
    """Return a string that changes when a file does."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def hashed(parts: Iterable[str]) -> str:
    """Return a hash of some strings. File names may hold bytes that are not text, hence the error handler."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
