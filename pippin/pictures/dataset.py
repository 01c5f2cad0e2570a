"""Prepared pictures: how they lie on disk, and random access to them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pippin.pictures.channels import GREY, RGB, RGBA
from pippin.pictures.labels import Labels
from pippin.pictures.listing import read_about, read_files
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.split import Subset, merged, split
from pippin.pictures.verdicts import GREY_TO_RGB, Audit, Entry, plural

PICTURES_FILE = "pictures.npy"
MANIFEST_FILE = "manifest.json"


class Dataset:
    """Prepared pictures on disk. They are mapped into memory, so a set may be larger than the machine's memory.

    Args:
        stored: uint8 of shape `(N, image_size, image_size, 3)`, RGB, 0 to 255; or 4, where transparency is kept.
        manifest: What `prepare` wrote beside them, without `"files"`.
        files: What became of every file.

    Attributes:
        stored: The pictures as they lie on disk, read-only.
        images: The pictures as they are learnt from, `(N, image_size, image_size, channels)`: one channel where all
            three are the same.
        manifest: The manifest as it stands on disk, without `"files"`.
        files: Those: what became of every file when it was prepared.
        name: A short name for people, such as the folder's.
        image_size: Side of the pictures in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        labels: Of the pictures; None where they have none.
        fingerprint: A hash of the pictures and their order, and of their labels. It changes when, and only when, one of
            these does.
        audit: The verdict on every file, as it is said of what is learnt from.
        preparation: How the pictures were made alike.
    """

    def __init__(self, stored: np.ndarray, manifest: dict[str, Any], files: Sequence[Entry]) -> None:
        self.stored, self.manifest, self.files = stored, manifest, files
        self.name: str = manifest["name"]
        self.image_size: int = manifest["image_size"]
        self.fingerprint: str = manifest["fingerprint"]
        self.preparation = Preparation.from_dict(manifest["preparation"])
        self.audit = Audit(files, manifest["noun"])
        count, side = sum(len(entry.rows) for entry in self.audit.entries), self.image_size
        expected = (count, side, side, self.preparation.stored_channels)
        if stored.shape != expected or stored.dtype != np.uint8:
            raise ValueError(f"pictures and manifest differ: {stored.dtype} {stored.shape}, uint8 {expected}")
        self.channels = self.preparation.channels or self._found_channels()
        self.images = stored[..., : self.channels]
        self.labels = self._labels()
        if self.channels == GREY:
            self.audit = self.audit.without(GREY_TO_RGB)

    @classmethod
    def open(cls, folder: Path) -> "Dataset":
        """Opens what `prepare` wrote.

        Args:
            folder: The folder that holds the pictures and their manifest.

        Returns:
            The dataset.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file is damaged, or the two do not belong together.
        """
        manifest = folder / MANIFEST_FILE
        try:
            files = Packed(Entry, map(Entry.from_json, read_files(manifest)))
            return cls(np.load(folder / PICTURES_FILE, mmap_mode="r"), read_about(manifest), files)
        except (KeyError, TypeError, EOFError) as error:
            raise ValueError(f"the pictures or their manifest are damaged: {error!r}") from error

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self):,} pictures of {self.image_size}×{self.image_size})"

    def split(self, held_out: float) -> tuple[Subset, Subset]:
        """Parts the pictures into those to learn from and those held out to judge by; see `pippin.pictures.split`.

        Near copies, several crops of one picture, and frames of one file always stay on the same side.

        Args:
            held_out: Share to hold out, 0 to 0.5; 0 means none.

        Returns:
            Both, the second of them empty where nothing is held out.
        """
        learnt, aside = split(len(self), held_out, self._ties())
        if self.labels is not None:  # of every kind some are learnt from
            missing = np.setdiff1d(self.labels.of, self.labels.of[learnt])
            needed = np.isin(self.labels.of[aside], missing)
            learnt, aside = np.sort(np.concatenate([learnt, aside[needed]])), aside[~needed]
        return Subset(self.images, learnt, self.labels), Subset(self.images, aside, self.labels)

    def _found_channels(self) -> int:
        """Returns one channel if every picture that is learnt from is grey."""
        return GREY if all(entry.grey for entry in self.audit.entries if entry.index is not None) else RGB

    def _labels(self) -> Labels | None:
        entries = [entry for entry in self.audit.entries if entry.label is not None]
        names = tuple(sorted({str(entry.label) for entry in entries}))
        of = [names.index(str(entry.label)) for entry in entries for _ in entry.rows]
        return Labels(names, np.array(of, np.int64)) if names else None

    def about_labels(self) -> list[str]:
        """Returns a line for people where the pictures have labels."""
        return [self.labels.line()] if self.labels else []

    def about_channels(self) -> list[str]:
        """Returns a line for people where the pictures are not RGB."""
        if self.channels == RGBA:
            seen_through = sum(entry.transparent and entry.index is not None for entry in self.audit.entries)
            few = "" if seen_through else ": leave out --transparent, or give pictures with some"
            return [f"transparency is kept: {plural(seen_through, self.audit.noun)} with some{few}"]
        if self.channels == GREY:
            chosen = "as asked for" if self.preparation.channels else "since all pictures are grey (--channels 3: RGB)"
            return [f"learnt from in grey, one channel, {chosen}"]
        return []

    def _ties(self) -> list[list[int]]:
        """Returns the rows that must not be parted: copies of each other, crops of one picture, frames of one file."""
        groups = [[row for entry in group for row in entry.rows] for group in self.audit.groups]
        of_one: dict[str, list[int]] = {}
        for entry in self.audit.entries:
            if entry.file is not None or entry.crops > 1:
                of_one.setdefault(entry.file or entry.path, []).extend(entry.rows)
        return merged([*groups, *of_one.values()])

    def summary(self) -> str:
        """Returns a few lines for people: what became of the files, why, and whether so many are enough."""
        return "\n".join([*self.audit.lines(), *self.about_channels(), *self.about_labels(), self.audit.outlook()])


def write_header(file: BinaryIO, count: int, image_size: int, channels: int) -> None:
    """Writes the head of an `.npy` file of uint8 `(count, image_size, image_size, channels)`."""
    shape = (count, image_size, image_size, channels)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def reopen(place: Path) -> Dataset | None:
    """Opens what was prepared before, or clears it away if it was damaged since; None if there is nothing."""
    if not place.is_dir():
        return None
    try:
        return Dataset.open(place)
    except (OSError, ValueError):
        shutil.rmtree(place, ignore_errors=True)
        return None


def publish(workshop: Path, place: Path) -> None:
    """Puts a finished preparation in its place, in one move, so that nobody ever sees half of one."""
    workshop.rename(place)


def tidy(shelf: Path, place: Path) -> None:
    """Removes what was prepared from earlier states of the source. Only who holds the shelf's lock may do it."""
    for other in shelf.iterdir():
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
