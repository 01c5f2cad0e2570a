"""Prepared pictures: how they lie on disk, random access to them, and the one change between uint8 and float."""

import json
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pippin.pictures.audit import Audit, Entry
from pippin.pictures.preparation import Preparation
from pippin.pictures.split import Subset, merged, split

PICTURES_FILE = "pictures.npy"
MANIFEST_FILE = "manifest.json"


def to_float(images: np.ndarray) -> np.ndarray:
    """Turns pictures as people see them into pictures as networks see them.

    Args:
        images: uint8, any shape, 0 to 255.

    Returns:
        float32 of the same shape, −1 (black) to 1 (white).
    """
    return np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Turns pictures as networks see them into pictures as people see them.

    Args:
        images: float, any shape. Values outside [−1, 1] are clipped.

    Returns:
        uint8 of the same shape, 0 to 255, rounded to the nearest.
    """
    return np.rint(np.clip((np.asarray(images, np.float32) + 1) * 127.5, 0, 255)).astype(np.uint8)


class Dataset:
    """Prepared pictures on disk. They are mapped into memory, so a set may be larger than the machine's memory.

    Args:
        images: uint8 of shape `(N, image_size, image_size, 3)`, RGB, 0 to 255.
        manifest: What `prepare` wrote beside them.

    Attributes:
        images: The pictures, read-only.
        manifest: The manifest as it stands on disk.
        name: A short name for people, such as the folder's.
        image_size: Side of the pictures in pixels.
        fingerprint: A hash of the pictures and their order. It changes when, and only when, a picture does.
        audit: The verdict on every file.
        preparation: How the pictures were made alike.
    """

    def __init__(self, images: np.ndarray, manifest: dict[str, Any]) -> None:
        self.images = images
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.image_size: int = manifest["image_size"]
        self.fingerprint: str = manifest["fingerprint"]
        self.preparation = Preparation.from_dict(manifest["preparation"])
        self.audit = Audit(tuple(Entry.from_json(entry) for entry in manifest["files"]), manifest["noun"])
        expected = (sum(len(entry.rows) for entry in self.audit.entries), self.image_size, self.image_size, 3)
        if images.shape != expected or images.dtype != np.uint8:
            raise ValueError(f"pictures and manifest differ: {images.dtype} {images.shape}, uint8 {expected}")

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
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        try:
            return cls(np.load(folder / PICTURES_FILE, mmap_mode="r"), manifest)
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
        return Subset(self.images, learnt), Subset(self.images, aside)

    def _ties(self) -> list[list[int]]:
        """Returns the rows that must not be parted: copies of each other, crops of one picture, frames of one file."""
        groups = [[row for entry in group for row in entry.rows] for group in self.audit.groups()]
        of_one: dict[str, list[int]] = {}
        for entry in self.audit.entries:
            of_one.setdefault(entry.file or entry.path, []).extend(entry.rows)
        return merged([*groups, *of_one.values()])

    def summary(self) -> str:
        """Returns a few lines for people: what became of the files, why, and whether so many are enough."""
        return "\n".join([*self.audit.lines(), self.audit.outlook()])


def write_header(file: BinaryIO, count: int, image_size: int) -> None:
    """Writes the head of an `.npy` file of uint8 `(count, image_size, image_size, 3)`."""
    shape = (count, image_size, image_size, 3)
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
