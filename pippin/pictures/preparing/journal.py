"""An unfinished preparation. It can be resumed after a kill, and ends with the same bytes as an undisturbed one."""

import dataclasses
import hashlib
import io
import json
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType

import numpy as np

from pippin.pictures.checksums import line_checksum
from pippin.pictures.dataset import PICTURES_FILE, write_header
from pippin.pictures.entries import EXACT, REFUSED, Entry
from pippin.pictures.packed import Packed

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """The squares and entries so far. Squares are written before their entry, so an entry never refers to missing ones.

    Args:
        folder: Where they are kept. What an earlier process left there is read and continued, as far as it is intact.
        image_size: Side of the squares in pixels.
        channels: Channels of the squares.
        total: Number of entries that there will be.
        keep_copies: Whether exact copies are kept.

    Attributes:
        entries: The entries so far.
        count: Number of squares so far.
    """

    def __init__(self, folder: Path, image_size: int, channels: int, total: int, keep_copies: bool) -> None:
        self.image_size, self.channels, self.keep_copies = image_size, channels, keep_copies
        self.entries = Packed(Entry)
        self.count = 0
        self._first: dict[bytes, int] = {}  # digest → number of the first picture that has it
        self._pixels = (folder / PICTURES_FILE).open("a+b")
        self._lines = (folder / JOURNAL_FILE).open("a+b")
        self._resume(total)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._pixels, self._lines):
            # After a failed write, closing tries it again. Its error would hide the first one.
            with suppress(OSError) if isinstance(error, Exception) else nullcontext():
                file.close()

    def add(self, entry: Entry, squares: np.ndarray | None) -> None:
        """Add one picture.

        Args:
            entry: Its entry, without an index.
            squares: uint8 `(crops, S, S, channels)`; None if it was refused.
        """
        if squares is not None and entry.digest is not None:
            first = self._first_with(entry.digest)
            if first < len(self.entries):
                entry = dataclasses.replace(entry, copy=EXACT, copy_of=self.entries[first].path)
            if entry.copy and not self.keep_copies:
                reason = f"the same picture (as {entry.copy_of})"
                entry = dataclasses.replace(entry, verdict=REFUSED, reasons=(reason,))
            else:
                entry = dataclasses.replace(entry, index=self.count)
                self._pixels.write(squares.tobytes())
                self._pixels.flush()
                self.count += len(squares)
        line = json.dumps(entry.to_json()).encode()
        self._lines.write(line + b"\t" + line_checksum(line) + b"\n")
        self._lines.flush()
        self.entries.append(entry)

    def _first_with(self, digest: str) -> int:
        """Return the number of the first picture with this digest: the next number if there is none so far."""
        return self._first.setdefault(bytes.fromhex(digest), len(self.entries))

    def finish(self) -> None:
        """Write the final count into the header of the squares' file. NumPy reserves room for that."""
        self._pixels.close()
        with open(self._pixels.name, "r+b") as file:
            write_header(file, self.count, self.image_size, self.channels)

    def _resume(self, total: int) -> None:
        """Read what an earlier process left, and cut off what is incomplete: a power cut may damage any of it.

        From the first file on that could not be read, everything is read again.
        """
        size = self.image_size**2 * self.channels
        self._pixels.seek(0)
        self._lines.seek(0)
        header, intact = self._pixels.read(self._header_size(total)), 0
        for line in self._lines if header else ():
            text, _, checksum = line.rpartition(b"\t")
            if checksum != line_checksum(text) + b"\n":
                break
            try:
                entry = Entry.from_json(json.loads(text))
                squares = self._pixels.read(size * len(entry.rows))
            except (ValueError, TypeError, KeyError):
                break
            is_whole = entry.index is None or entry.digest == digest_of(squares)
            if not is_whole or entry.is_unread:
                break
            intact += len(line)
            if entry.digest is not None:
                self._first_with(entry.digest)
            self.entries.append(entry)
            self.count += len(entry.rows)
        self._lines.truncate(intact)
        self._pixels.truncate(self._header_size(total) + size * self.count if self.entries else 0)
        if not self.entries:
            write_header(self._pixels, total, self.image_size, self.channels)

    def _header_size(self, total: int) -> int:
        """Return the length of the header of an `.npy` file in bytes."""
        header = io.BytesIO()
        write_header(header, total, self.image_size, self.channels)
        return len(header.getvalue())


def digest_of(squares: np.ndarray | bytes) -> str:
    """Return a hash of pixels in 32 hexadecimal digits."""
    content = squares if isinstance(squares, bytes) else squares.tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()
