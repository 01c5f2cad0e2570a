"""Near copies among prepared pictures: mark them, and leave them out if that is asked for."""

import dataclasses
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pippin.host.files import atomic_path
from pippin.pictures.dataset import write_header
from pippin.pictures.entries import NEAR, REFUSED, Entry
from pippin.pictures.packed import Packed
from pippin.pictures.preparing.duplicates import near_groups


def mark_near_copies(entries: Sequence[Entry], pictures_file: Path) -> Sequence[Entry]:
    """Mark the pictures that look the same as another one; the largest of each group is the original.

    Args:
        entries: The entries of all files.
        pictures_file: The prepared squares, an `.npy` file.

    Returns:
        The entries, with `copy` and `copy_of` set for near copies.
    """
    numbers, hashes, rows = array("q"), array("Q"), array("q")
    for n, entry in enumerate(entries):
        if entry.index is not None and entry.copy is None and not entry.is_blank:
            numbers.append(n)
            hashes.append(int(entry.likeness or "0", 16))
            rows.append(entry.index)
    if not numbers:
        return entries
    images = np.load(pictures_file, mmap_mode="r")
    originals: dict[int, str] = {}  # number of a copy → path of its original
    for group in near_groups(np.array(hashes), np.array(rows), images):
        members = [numbers[position] for position in group]
        kept = max(members, key=lambda n: (_area(entries[n]), entries[n].bytes, -n))
        originals.update({n: entries[kept].path for n in members if n != kept})
    if not originals:
        return entries
    marked = (
        dataclasses.replace(entry, copy=NEAR, copy_of=originals[n]) if n in originals else entry
        for n, entry in enumerate(entries)
    )
    return Packed(Entry, marked)


def leave_out_near_copies(entries: Sequence[Entry], pictures_file: Path) -> Sequence[Entry]:
    """Refuse the near copies, and write the file of squares again without theirs.

    Args:
        entries: The entries that `mark_near_copies` returned.
        pictures_file: The prepared squares, an `.npy` file. It is replaced.

    Returns:
        The entries, with new indices.
    """
    images = np.load(pictures_file, mmap_mode="r")
    kept, count = Packed(Entry), 0
    with atomic_path(pictures_file) as part:
        with part.open("wb") as file:
            write_header(file, len(images), *images.shape[2:])
            for entry in entries:
                if entry.copy == NEAR:
                    reason = f"nearly the same picture (as {entry.copy_of})"
                    entry = dataclasses.replace(entry, verdict=REFUSED, reasons=(reason,), index=None)
                elif entry.index is not None:
                    file.write(images[entry.rows.start : entry.rows.stop].tobytes())
                    entry = dataclasses.replace(entry, index=count)
                    count += entry.crops
                kept.append(entry)
            file.seek(0)
            write_header(file, count, *images.shape[2:])
        del images  # Windows does not replace a file that is mapped into memory
    return kept


def _area(entry: Entry) -> int:
    """Return the number of pixels that a picture had in its file."""
    return (entry.width or 0) * (entry.height or 0)
