"""Archives, read in place: nothing is ever written, so no name in them leads anywhere."""

import tarfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from pippin.errors import SourceError
from pippin.pictures.colour import Refused
from pippin.pictures.packed import Packed
from pippin.pictures.sources.base import Contained, Sharing, SourceItem, file_stamp
from pippin.pictures.sources.moving import is_video

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

MEMBER_LIMIT = 2**29  # bytes of one file in an archive, unpacked: the most that memory is asked to hold of it
RATIO_LIMIT = 200  # to 1: no picture of a size worth mentioning packs better than that, but a zip bomb does
WORTH_MENTIONING = 2**24  # bytes

ENCRYPTED = 0x1  # in a zip member's flags


class ArchiveSource(Contained):
    """The files in an archive, in the order of their names.

    Args:
        path: The archive.
        items: What was found in it.
        sharing: How the work on it can be shared out.
    """

    noun = "file"
    trims_bars = True

    def __init__(self, path: Path, items: list[SourceItem], sharing: Sharing) -> None:
        self.path, self.sharing = path, sharing
        items = list({one.path: one for one in items}.values())  # of equal names the last, as when it is unpacked
        if sharing is not Sharing.ORDER:
            items.sort(key=lambda one: (one.path, one.row))
        self.items = Packed(SourceItem, items)
        self.name = path.name.partition(".")[0]
        self.location = str(path)
        if not items:
            raise SourceError(f"The archive is empty. Received: source={self.location!r}")
        self._closed()

    def _closed(self) -> None:
        self._lock = threading.Lock()
        self._opened: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Goes to other processes without its list, and opens the archive anew there."""
        return {"path": self.path, "sharing": self.sharing, "name": self.name, "location": self.location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, items=[])
        self._closed()

    def stamp(self) -> str:
        """Returns the archive's length and time of change."""
        return file_stamp(self.path)

    def content(self, item: SourceItem) -> bytes:
        """Returns the bytes of one file, never more than were announced and allowed."""
        if is_video(item.path):
            raise Refused("a video in an archive: unpack it first")
        try:
            with self._lock:
                if self._opened is None:
                    self._opened = self._open()
                return self._read(item)
        except Refused:
            raise
        except Exception as error:  # a damaged archive leads its reader into zlib.error, EOFError, BadZipFile, ...
            raise Refused(f"damaged in its archive: {' '.join(str(error).split()) or type(error).__name__}") from None

    def _open(self) -> Any:
        raise NotImplementedError

    def _read(self, item: SourceItem) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Closes the archive; it opens again when it is read."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self._opened.close()


class ZipSource(ArchiveSource):
    """A zip archive; `SourceItem.row` is a file's place in its directory."""

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def _read(self, item: SourceItem) -> bytes:
        member = self._opened.infolist()[item.row]
        with self._opened.open(member) as file:
            return _at_most(file.read(item.bytes + 1), item.bytes)


class TarSource(ArchiveSource):
    """A tar archive that is not compressed; `SourceItem.row` is where a file begins in it."""

    def _open(self) -> Any:
        return self.path.open("rb")

    def _read(self, item: SourceItem) -> bytes:
        self._opened.seek(item.row)
        return self._opened.read(item.bytes)


class CompressedTarSource(ArchiveSource):
    """A compressed tar archive, which can only be read from front to back. `SourceItem.row` numbers its files."""

    _held: tuple[int, bytes] | None = None

    def _open(self) -> tarfile.TarFile:
        return tarfile.open(self.path, "r:*")

    def _read(self, item: SourceItem) -> bytes:
        members = self._opened.getmembers()
        file = self._opened.extractfile(members[item.row])
        if file is None:
            raise Refused("not a file")
        with file:
            return _at_most(file.read(item.bytes + 1), item.bytes)

    def content(self, item: SourceItem) -> bytes:
        """Returns the bytes of one file, and keeps them: whoever asks again would unpack all that is before it."""
        if self._held is None or self._held[0] != item.row:
            self._held = (item.row, super().content(item))
        return self._held[1]

    def side(self, item: SourceItem) -> int | None:
        """Returns None: going back to the beginning would unpack all of it again."""
        return None


def open_archive(path: Path) -> ArchiveSource:
    """Opens a zip or tar archive.

    Raises:
        SourceError: If it cannot be read, or is empty.
    """
    path = path.resolve()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return ZipSource(path, list(_zip_members(archive)), Sharing.PROCESSES)
        try:
            with tarfile.open(path, "r:") as archive:
                return TarSource(path, list(_tar_members(archive, by_place=True)), Sharing.PROCESSES)
        except tarfile.ReadError:
            with tarfile.open(path, "r:*") as archive:
                return CompressedTarSource(path, list(_tar_members(archive, by_place=False)), Sharing.ORDER)
    except SourceError:
        raise
    except Exception as error:
        problem = " ".join(str(error).split())
        raise SourceError(
            f"This archive cannot be read ({problem}); make it anew. Received: source={str(path)!r}"
        ) from None


def _zip_members(archive: zipfile.ZipFile) -> Any:
    for row, member in enumerate(archive.infolist()):
        if member.is_dir() or _hidden(member.filename):
            continue
        problem = _too_large(member.file_size, member.compress_size)
        if member.flag_bits & ENCRYPTED:
            problem = "locked with a password: unpack it first"
        yield SourceItem(member.filename, member.file_size, problem=problem, row=row)


def _tar_members(archive: tarfile.TarFile, by_place: bool) -> Any:
    for row, member in enumerate(archive):
        if member.isdir() or _hidden(member.name):
            continue
        problem = _too_large(member.size, None)
        if not member.isreg() or member.issparse():
            problem = "not a file but a link, which is not followed in an archive, or a device"
        yield SourceItem(member.name, member.size, problem=problem, row=member.offset_data if by_place else row)


def _hidden(name: str) -> bool:
    """Whether a file is hidden, or belongs to a Mac's bookkeeping."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def _too_large(size: int, packed: int | None) -> str | None:
    """Returns why a file is refused before it is unpacked; None if it is not."""
    if size > MEMBER_LIMIT:
        return f"too large: {size:,} bytes unpacked, the most is {MEMBER_LIMIT:,}"
    if packed is not None and size > WORTH_MENTIONING and size > RATIO_LIMIT * packed:
        return f"a zip bomb: {packed:,} bytes that unpack to {size:,}"
    return None


def _at_most(content: bytes, size: int) -> bytes:
    if len(content) > size:
        raise Refused("longer than its archive says")
    return content
