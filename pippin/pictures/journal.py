"""A preparation under way, written so that it goes on after a kill, with the same bytes as an undisturbed one."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from types import TracebackType

import numpy as np

from pippin.pictures.dataset import PICTURES_FILE, write_header
from pippin.pictures.packed import Packed
from pippin.pictures.verdicts import EXACT, REFUSED, Entry

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """The squares and entries so far. Squares are written before their entry, so what an entry names is there.

    Args:
        folder: Where to keep them; what an earlier process left there is taken over, as far as it is whole.
        image_size: Side of the squares in pixels.
        channels: Of the squares.
        total: How many entries there will be.
        keep_copies: Whether exact copies stay.

    Attributes:
        entries: What became of the files so far.
        count: How many squares there are.
    """

    def __init__(self, folder: Path, image_size: int, channels: int, total: int, keep_copies: bool) -> None:
        self.image_size, self.channels, self.keep_copies = image_size, channels, keep_copies
        self.entries = Packed(Entry)
        self.count = 0
        self._first: dict[bytes, int] = {}  # digest → place of the first picture that has it
        self._pixels = (folder / PICTURES_FILE).open("a+b")
        self._lines = (folder / JOURNAL_FILE).open("a+b")
        self._take_over(total)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pixels.close()
        self._lines.close()

    def add(self, entry: Entry, squares: np.ndarray | None) -> None:
        """Keeps one picture.

        Args:
            entry: What became of it, without its place.
            squares: uint8, `(crops, S, S, channels)`; None if it was refused.
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
        self._lines.write(json.dumps(entry.to_json()).encode() + b"\n")
        self._lines.flush()
        self.entries.append(entry)

    def _first_with(self, digest: str) -> int:
        """Returns the place of the first picture with these pixels, which is the next place if there was none."""
        return self._first.setdefault(bytes.fromhex(digest), len(self.entries))

    def finish(self) -> None:
        """Completes the squares' file. NumPy leaves room in its header for the count to change."""
        self._pixels.close()
        with open(self._pixels.name, "r+b") as file:
            write_header(file, self.count, self.image_size, self.channels)

    def _take_over(self, total: int) -> None:
        """Reads what an earlier process left, and cuts off what is not whole: a power cut may tear any of it."""
        size = self.image_size**2 * self.channels
        self._pixels.seek(0)
        self._lines.seek(0)
        begun, whole = self._pixels.read(self._header_size(total)), 0
        for line in self._lines if begun else ():
            try:
                entry = Entry.from_json(json.loads(line))
                squares = self._pixels.read(size * len(entry.rows))
            except (ValueError, TypeError, KeyError):
                break
            if not line.endswith(b"\n") or (entry.index is not None and entry.digest != digest_of(squares)):
                break
            whole += len(line)
            if entry.digest is not None:
                self._first_with(entry.digest)
            self.entries.append(entry)
            self.count += len(entry.rows)
        self._lines.truncate(whole)
        self._pixels.truncate(self._header_size(total) + size * self.count if self.entries else 0)
        if not self.entries:
            write_header(self._pixels, total, self.image_size, self.channels)

    def _header_size(self, total: int) -> int:
        """Returns the length of the head of an `.npy` file."""
        head = io.BytesIO()
        write_header(head, total, self.image_size, self.channels)
        return len(head.getvalue())


def digest_of(squares: np.ndarray | bytes) -> str:
    """Returns a hash of pixels."""
    content = squares if isinstance(squares, bytes) else squares.tobytes()
    return hashlib.blake2b(content, digest_size=16).hexdigest()
