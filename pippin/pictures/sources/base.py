"""What every kind of source is: the interface, and what they share."""

import hashlib
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from PIL import Image

from pippin.pictures.colour import Refused
from pippin.pictures.decoding import Decoded, read_picture
from pippin.pictures.preparation import Preparation


class Sharing(Enum):
    """How the work on a source's pictures can be shared out."""

    PROCESSES = "processes"  # the source can be sent to other processes, and opens its files there
    THREADS = "threads"  # its pictures are in memory
    ORDER = "order"  # its pictures can only be read one after the other


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One candidate picture, before it is read.

    Args:
        path: Its name within the source, with forward slashes.
        bytes: Its length.
        mtime_ns: When it was last changed, in nanoseconds since 1970; 0 where there is no file of its own.
        problem: Why it is out already, if it is.
        row: Its place in what holds it: a row of an array, or where it begins in an archive.
        file: Where it is one frame of a file, the path of that file.
        frame: That frame's number, from 0.
        second: When it is shown, in a video.
    """

    path: str
    bytes: int = 0
    mtime_ns: int = 0
    problem: str | None = None
    row: int = 0
    file: str | None = None
    frame: int = 0
    second: float = 0.0


class Source(Protocol):
    """Anything that pictures come from.

    Attributes:
        name: A short name for people.
        location: What the source is, the same whenever it is opened: its resolved path, or words.
        noun: What one of them is called: `"file"` or `"picture"`.
        trims_bars: Whether padding bars are to be trimmed. Arrays and apples are taken as made.
        sharing: How the work can be shared out.
    """

    name: str
    location: str
    noun: str
    trims_bars: bool
    sharing: Sharing

    @property
    def items(self) -> Sequence[SourceItem]:
        """Every candidate picture, in a fixed order. Other processes get the source without this list."""
        ...

    def stamp(self) -> str:
        """Returns a string that changes when the source's content does."""
        ...

    def read(self, item: SourceItem, image_size: int, enough: int, preparation: Preparation) -> Decoded:
        """Returns one picture in mode RGB and what was mended; raises `Refused` if there is none to be had."""
        ...

    def side(self, item: SourceItem) -> int | None:
        """Returns the shorter side of one picture in pixels without reading it; None if nothing can be said."""
        ...


class Contained:
    """What sources share that hold their pictures as the contents of files."""

    def content(self, item: SourceItem) -> bytes:
        """Returns one picture as the content of its file; raises `Refused` if there is none to be had."""
        raise NotImplementedError

    def read(self, item: SourceItem, image_size: int, enough: int, preparation: Preparation) -> Decoded:
        """Reads one picture; see `read_picture`."""
        return read_picture(io.BytesIO(self.content(item)), enough, preparation, item.path)

    def side(self, item: SourceItem) -> int | None:
        """Looks at the head of one picture."""
        try:
            return shorter_side(io.BytesIO(self.content(item)))
        except Refused:  # the audit will say why
            return None


def shorter_side(file: Path | io.BytesIO) -> int | None:
    """Returns the shorter side of a picture by the head of its file; None if that cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as picture:
            return min(picture.size)
    except Exception:  # whatever is wrong with it, the audit will say
        return None


def file_stamp(path: Path) -> str:
    """Returns a string that changes when a file does."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def hashed(parts: Iterable[str]) -> str:
    """Returns a hash of some strings. File names may hold bytes that are no text, hence the error handler."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
