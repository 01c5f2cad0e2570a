"""Zip and tar archives. They are read without unpacking them to disk, so no name in them can point elsewhere."""

import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pippin.errors import SourceError
from pippin.pictures.os_errors import could_not_be_read, why
from pippin.pictures.packed import Packed
from pippin.pictures.refused import Refused
from pippin.pictures.sources.base import EncodedSource, Sharing, SourceItem, file_stamp
from pippin.pictures.sources.moving import is_video
from pippin.pictures.sources.tables import WithTables

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

MEMBER_LIMIT = 2**29
"""Largest unpacked size of a file in an archive, in bytes, since it is held in memory."""

RATIO_LIMIT = 200
"""Largest ratio of unpacked to packed size. No large picture is packed better than that, but a zip bomb is."""

RATIO_FROM = 2**24
"""Unpacked size in bytes from which the ratio is limited. Smaller files do no harm."""

ENCRYPTED = 0x1
"""The flag of an encrypted member in a zip archive."""


class ArchiveSource(WithTables, EncodedSource):
    """The files in an archive, in the order of their names.

    Args:
        path: The archive.
        items: The files in it.
        sharing: How they can be read in parallel.
    """

    noun = "file"
    trims_bars = True
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, items: list[SourceItem], sharing: Sharing) -> None:
        self.path, self.sharing = path, sharing
        items = list({one.path: one for one in items}.values())  # of equal names the last counts, as in unpacking
        if sharing is not Sharing.SEQUENTIAL:
            items.sort(key=lambda one: (one.path, one.row))
        self.items = Packed(SourceItem, items)
        self.name = path.name.partition(".")[0]
        self.location = str(path)
        if not items:
            raise SourceError(f"The archive is empty. Received: source={self.location!r}")
        self._init_handle()

    def _init_handle(self) -> None:
        """Set the state of an archive that is not open."""
        self._lock = threading.Lock()
        self._handle: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the items and the open archive when the source is pickled."""
        return {"path": self.path, "sharing": self.sharing, "name": self.name, "location": self.location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, items=[])
        self._init_handle()

    def stamp(self) -> str:
        """Return the archive's length and time of change."""
        return file_stamp(self.path)

    def content(self, item: SourceItem) -> bytes:
        """Return the content of one file, at most as many bytes as the archive announced."""
        if is_video(item.path):
            raise Refused("a video in an archive: unpack it first")
        try:
            with self._lock:
                if self._handle is None:
                    self._handle = self._open()
                return self._read(item)
        except Refused:
            raise
        except Exception as error:  # a damaged archive leads to errors of many kinds: zlib.error, EOFError, BadZipFile
            if could_not_be_read(error):
                raise
            raise Refused(f"damaged in its archive: {why(error)}") from None

    def _open(self) -> Any:
        """Open the archive."""
        raise NotImplementedError

    def _read(self, item: SourceItem) -> bytes:
        """Return the content of one file of the open archive."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the archive. It is opened again when it is read."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self._handle.close()


class ZipSource(ArchiveSource):
    """A zip archive; `SourceItem.row` is a file's index in its directory."""

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    def _read(self, item: SourceItem) -> bytes:
        member = self._handle.infolist()[item.row]
        with self._handle.open(member) as file:
            return _at_most(file.read(item.bytes + 1), item.bytes)


class TarSource(ArchiveSource):
    """A tar archive without compression; `SourceItem.row` is the offset of a file's content in it."""

    def _open(self) -> Any:
        return self.path.open("rb")

    def _read(self, item: SourceItem) -> bytes:
        self._handle.seek(item.row)
        return self._handle.read(item.bytes)


class CompressedTarSource(ArchiveSource):
    """A compressed tar archive, which can only be read from front to back. `SourceItem.row` numbers its files."""

    _last: tuple[int, bytes] | None = None  # number and content of the file that was read last

    def _open(self) -> tarfile.TarFile:
        return tarfile.open(self.path, "r:*")

    def _read(self, item: SourceItem) -> bytes:
        members = self._handle.getmembers()
        file = self._handle.extractfile(members[item.row])
        if file is None:
            raise Refused("not a file")
        with file:
            return _at_most(file.read(item.bytes + 1), item.bytes)

    def content(self, item: SourceItem) -> bytes:
        """Return the content of one file. It is kept, because a second read would unpack all files before it."""
        if self._last is None or self._last[0] != item.row:
            self._last = (item.row, super().content(item))
        return self._last[1]

    def side(self, item: SourceItem) -> int | None:
        """Return None, because going back to the beginning would unpack everything again."""
        return None


def open_archive(path: Path) -> ArchiveSource:
    """Open a zip or tar archive.

    Raises:
        SourceError: If the archive cannot be read, or is empty.
    """
    path = path.resolve()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return ZipSource(path, list(_zip_members(archive)), Sharing.PROCESSES)
        try:
            with tarfile.open(path, "r:") as archive:
                return TarSource(path, list(_tar_members(archive, by_offset=True)), Sharing.PROCESSES)
        except tarfile.ReadError:
            with tarfile.open(path, "r:*") as archive:
                return CompressedTarSource(path, list(_tar_members(archive, by_offset=False)), Sharing.SEQUENTIAL)
    except SourceError:
        raise
    except Exception as error:
        advice = "" if isinstance(error, OSError) and error.errno else "; create it again"
        raise SourceError(
            f"This archive cannot be read ({why(error)}){advice}. Received: source={str(path)!r}"
        ) from None


def _zip_members(archive: zipfile.ZipFile) -> Iterator[SourceItem]:
    """Yield the files of a zip archive."""
    for row, member in enumerate(archive.infolist()):
        if member.is_dir() or _hidden(member.filename):
            continue
        problem = _too_large(member.file_size, member.compress_size)
        if member.flag_bits & ENCRYPTED:
            problem = "locked with a password: unpack it first"
        yield SourceItem(member.filename, member.file_size, problem=problem, row=row)


def _tar_members(archive: tarfile.TarFile, by_offset: bool) -> Iterator[SourceItem]:
    """Yield the files of a tar archive. Their `row` is an offset or a number."""
    for row, member in enumerate(archive):
        if member.isdir() or _hidden(member.name):
            continue
        problem = _too_large(member.size, None)
        if not member.isreg() or member.issparse():
            problem = "not a file but a link (not followed in an archive) or a device"
        yield SourceItem(member.name, member.size, problem=problem, row=member.offset_data if by_offset else row)


def _hidden(name: str) -> bool:
    """Return whether a file is hidden, or is metadata of macOS."""
    parts = name.replace("\\", "/").split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def _too_large(size: int, packed: int | None) -> str | None:
    """Return the reason to refuse a file before it is unpacked; None if there is none."""
    if size > MEMBER_LIMIT:
        return f"too large: {size:,} bytes unpacked, the most is {MEMBER_LIMIT:,}"
    if packed is not None and size > RATIO_FROM and size > RATIO_LIMIT * packed:
        return f"a zip bomb: {packed:,} bytes that unpack to {size:,}"
    return None


def _at_most(content: bytes, size: int) -> bytes:
    """Return the content. Refuse it if it is longer than the archive announced."""
    if len(content) > size:
        raise Refused("longer than its archive says")
    return content
