"""Prepared pictures: their files on disk, and random access to them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pippin.pictures.channels import GREY, RGB, RGBA
from pippin.pictures.checksums import check_checksums
from pippin.pictures.entries import GREY_TO_RGB, Audit, Entry, plural
from pippin.pictures.labels import Labels
from pippin.pictures.listing import read_files, read_header
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.split import Subset, merge_groups, split

PICTURES_FILE = "pictures.npy"
MANIFEST_FILE = "manifest.json"


class Dataset:
    """Prepared pictures on disk. They are mapped into memory, so a dataset may be larger than the machine's memory.

    Args:
        stored: uint8 `(N, image_size, image_size, 3)`, RGB, 0 to 255; or 4 channels if transparency is kept.
        manifest: The manifest that `prepare` wrote, without `"files"`.
        files: The status of every file.

    Attributes:
        stored: The images as they are stored, read-only.
        images: The images for training, uint8 `(N, image_size, image_size, channels)`: a single channel if all of
            them are grey.
        manifest: The manifest, without `"files"`.
        files: The status of every file when it was prepared.
        name: A short name for messages, such as the folder's.
        image_size: Side of the images in pixels.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        labels: The labels of the images; None if they have none.
        fingerprint: A hash of the images, their order and their labels. It changes if and only if one of these does.
        audit: The status of every file with regard to `images`: grey files are not counted as mended if training is
            in grey.
        preparation: How the pictures were prepared, with the number of bits that was chosen.
        notes: What the user should know about the source or the preparation, in plain words.
    """

    def __init__(self, stored: np.ndarray, manifest: dict[str, Any], files: Sequence[Entry]) -> None:
        self.stored, self.manifest, self.files = stored, manifest, files
        self.name: str = manifest["name"]
        self.image_size: int = manifest["image_size"]
        self.fingerprint: str = manifest["fingerprint"]
        bits = {"bits": manifest["bits"]} if manifest.get("bits") else {}
        self.preparation = Preparation.from_dict({**manifest["preparation"], **bits})
        self.audit = Audit(files, manifest["noun"])
        self.notes: tuple[str, ...] = tuple(manifest.get("notes", ()))
        count, side = sum(len(entry.rows) for entry in self.audit.entries), self.image_size
        expected = (count, side, side, self.preparation.stored_channels)
        if stored.shape != expected or stored.dtype != np.uint8:
            raise ValueError(f"pictures and manifest differ: {stored.dtype} {stored.shape}, uint8 {expected}")
        self.channels = self.preparation.channels or self._detected_channels()
        self.images = stored[..., : self.channels]
        self.labels = self._read_labels()
        if self.channels == GREY:
            self.audit = self.audit.without(GREY_TO_RGB)

    @classmethod
    def open(cls, folder: Path) -> "Dataset":
        """Open a dataset that `prepare` wrote.

        Args:
            folder: The folder that holds the images and their manifest.

        Returns:
            The dataset.

        Raises:
            OSError: If a file is missing or cannot be read.
            ValueError: If a file is damaged, or the two do not belong together.
        """
        manifest = folder / MANIFEST_FILE
        check_checksums(folder, (PICTURES_FILE, MANIFEST_FILE))
        try:
            files = Packed(Entry, map(Entry.from_json, read_files(manifest)))
            return cls(np.load(folder / PICTURES_FILE, mmap_mode="r"), read_header(manifest), files)
        except (KeyError, TypeError, EOFError) as error:
            raise ValueError(f"the pictures or their manifest are damaged: {error!r}") from error

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {len(self):,} pictures of {self.image_size}×{self.image_size})"

    def split(self, held_out: float) -> tuple[Subset, Subset]:
        """Split the images into a training set and a held-out set; see `pippin.pictures.split`.

        Near copies, several crops of one picture, and frames of one file always stay in the same set. If the images
        have labels, each label keeps at least one image in the training set.

        Args:
            held_out: Share to hold out, 0 to 0.5; 0 holds out nothing.

        Returns:
            The training set and the held-out set; the latter is empty if nothing is held out.
        """
        training, held = split(len(self), held_out, self._linked_rows())
        if self.labels is not None:
            missing = np.setdiff1d(self.labels.indices, self.labels.indices[training])
            needed = np.isin(self.labels.indices[held], missing)
            training, held = np.sort(np.concatenate([training, held[needed]])), held[~needed]
        return Subset(self.images, training, self.labels), Subset(self.images, held, self.labels)

    def _detected_channels(self) -> int:
        """Return 1 if every picture that is kept is grey, else 3."""
        return GREY if all(entry.grey for entry in self.audit.entries if entry.index is not None) else RGB

    def _read_labels(self) -> Labels | None:
        """Return the labels that the entries hold, one for each image."""
        names, counts = [], []
        for entry in self.audit.entries:
            if entry.label is not None:
                names.append(entry.label)
                counts.append(len(entry.rows))
        if not names:
            return None
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        indices = np.repeat(np.array([numbers[name] for name in names], np.int64), counts)
        return Labels(tuple(numbers), indices)

    def describe_labels(self) -> list[str]:
        """Return a line on the labels, or nothing if there are none."""
        return [self.labels.summary()] if self.labels else []

    def describe_channels(self) -> list[str]:
        """Return a line on the channels, or nothing if the images are RGB."""
        if self.channels == RGBA:
            count = sum(entry.transparent and entry.index is not None for entry in self.audit.entries)
            advice = "" if count else ": leave out --transparent, or give pictures with some"
            return [f"transparency is kept: {plural(count, self.audit.noun)} with some{advice}"]
        if self.channels == GREY:
            reason = "as asked for" if self.preparation.channels else "since all pictures are grey (--channels 3: RGB)"
            return [f"training in grey, one channel, {reason}"]
        return []

    def _linked_rows(self) -> list[list[int]]:
        """Return the rows that must stay together: copies of each other, crops of one picture, frames of one file."""
        copies = [[row for entry in group for row in entry.rows] for group in self.audit.groups]
        by_file: dict[str, list[int]] = {}
        for entry in self.audit.entries:
            if entry.file is not None or entry.crops > 1:
                by_file.setdefault(entry.file or entry.path, []).extend(entry.rows)
        return merge_groups([*copies, *by_file.values()])

    def summary(self) -> str:
        """Return a few lines on the files, the channels, the labels, and whether there are enough pictures."""
        return "\n".join(
            [
                *self.audit.lines(),
                *self.notes,
                *self.describe_channels(),
                *self.describe_labels(),
                self.audit.outlook(),
            ]
        )


def write_header(file: BinaryIO, count: int, image_size: int, channels: int) -> None:
    """Write the header of an `.npy` file of uint8 `(count, image_size, image_size, channels)`."""
    shape = (count, image_size, image_size, channels)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
