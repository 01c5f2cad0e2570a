"""The pictures of an array."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.decoding.colour import to_rgb
from pippin.pictures.decoding.depth import highest_value, to_levels
from pippin.pictures.decoding.picture import MAX_RATIO, MIN_SIDE, Decoded
from pippin.pictures.os_errors import why
from pippin.pictures.packed import Packed
from pippin.pictures.preparation import Preparation
from pippin.pictures.sources.archives import RATIO_FROM, RATIO_LIMIT
from pippin.pictures.sources.base import Sharing, SourceItem, file_stamp

ARRAY_SUFFIXES = (".npy", ".npz")
UNPACKED_LIMIT = 2**31
"""Largest size of an unpacked array of an `.npz` file in bytes, since it is held in memory. `.npy` has no limit."""

ROWS_AT_ONCE = 256
"""Pictures whose values are checked at a time, so that little of a mapped file is in memory."""


class ArraySource:
    """The pictures of one array.

    Args:
        array: `(N, H, W)` or `(N, H, W, 1 | 3 | 4)`, uint8 in [0, 255], uint16, or float in [0, 1] or [−1, 1].
        name: A short name for messages.
        location: What identifies the array each time it is opened.
        stamp: A string that changes when the array does.
        columns: Arrays `(N,)` that may be labels, by name.

    Raises:
        SourceError: If the array has another shape, type or range.
    """

    noun = "picture"
    trims_bars = False
    sharing = Sharing.THREADS
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        array: np.ndarray,
        name: str,
        location: str,
        stamp: str,
        columns: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._columns = dict(columns or {})
        self.array, self.name, self.location, self._stamp = array, name, location, stamp
        channels = array.shape[3] if array.ndim == 4 else 1
        sides = array.shape[1:3]
        if array.ndim not in (3, 4) or channels not in (1, 3, 4) or min(sides) < MIN_SIDE:
            raise SourceError(
                "An array of pictures must have the shape (N, H, W) or (N, H, W, 1|3|4), "
                f"with H and W at least {MIN_SIDE}. Received: shape={array.shape}"
            )
        if max(sides) > MAX_RATIO * min(sides):
            raise SourceError(
                f"The pictures of an array must not be thinner than {MAX_RATIO} to 1. Received: shape={array.shape}"
            )
        self._black = self._black_level()
        each = array.nbytes // max(1, len(array))
        self.items = Packed(SourceItem, (SourceItem(f"{index:06}", each, row=index) for index in range(len(array))))

    def _black_level(self) -> float:
        """Return the value of black: 0 or −1. Check the type and the range."""
        if self.array.dtype in (np.uint8, np.uint16):
            return 0.0
        if not np.issubdtype(self.array.dtype, np.floating):
            raise SourceError(
                "An array of pictures must be uint8, uint16, or float within [0, 1] or [−1, 1]; convert it with "
                f"`.astype('uint8')`. Received: dtype={self.array.dtype}"
            )
        low = high = 0.0
        for start in range(0, len(self.array), ROWS_AT_ONCE):
            rows = self.array[start : start + ROWS_AT_ONCE]
            low, high = min(low, float(np.min(rows))), max(high, float(np.max(rows)))  # a NaN here ...
            if not np.isfinite(rows).all():  # ... ends here
                raise SourceError(
                    "An array of pictures must hold finite values; replace them with `numpy.nan_to_num`. "
                    f"Received: a value that is NaN or infinite among pictures {start} to {start + len(rows) - 1}"
                )
        if low < -1.0 or high > 1.0:
            raise SourceError(
                "A float array of pictures must lie within [0, 1] or [−1, 1]; divide it, or convert it to uint8. "
                f"Received: values from {low:g} to {high:g}"
            )
        return -1.0 if low < 0.0 else 0.0

    def stamp(self) -> str:
        """Return the stamp that the array was opened with."""
        return self._stamp

    def read(self, item: SourceItem, image_size: int, needed_side: int, preparation: Preparation) -> Decoded:
        """Return one picture of the array."""
        pixels = np.asarray(self.array[item.row])
        highest = None
        if pixels.dtype == np.uint16:
            highest = highest_value(pixels[..., :3] if pixels.ndim == 3 else pixels)
            pixels = to_levels(pixels, preparation.bits)
        elif pixels.dtype != np.uint8:
            pixels = np.rint((pixels.astype(np.float64) - self._black) * (255.0 / (1.0 - self._black))).astype(np.uint8)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return Decoded(*to_rgb(image, needed_side, preparation), "array", image.mode, *image.size, highest)

    def label_columns(self) -> dict[str, str]:
        """Return the arrays that may hold labels."""
        return dict.fromkeys(self._columns, self.name)

    def labels(self, column: str) -> dict[str, Any]:
        """Return name → value for every picture."""
        values = self._columns[column].tolist()
        return {item.path: value for item, value in zip(self.items, values, strict=True)}

    def side(self, item: SourceItem) -> int | None:
        """Return the shorter side, which is the same for all pictures."""
        return min(self.array.shape[1:3])


def open_array(path: Path) -> ArraySource:
    """Open an `.npy` file without reading all of it, or an `.npz` file with one array, or with one called `images`.

    Raises:
        SourceError: If the file cannot be read, or holds no array of pictures.
    """
    columns: dict[str, np.ndarray] = {}
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded as archive:
                names = list(archive.files)
                _check_unpacked_size(path)
                chosen = "images" if "images" in names else names[0] if len(names) == 1 else None
                loaded = archive[chosen] if chosen else None
                columns = {name: archive[name] for name in names if name != chosen} if chosen else {}
                columns = {name: array for name, array in columns.items() if _may_be_labels(array, loaded)}
    except SourceError:
        raise
    except Exception as error:  # a damaged file leads NumPy to errors of many kinds: ValueError, EOFError, BadZipFile
        if isinstance(error, OSError) and error.errno:
            raise SourceError(f"The array cannot be read ({why(error)}). Received: source={str(path)!r}") from None
        raise SourceError(
            f"This is not an array that NumPy can read ({' '.join(str(error).split())}); save it again with "
            f"`numpy.save`. Received: source={str(path)!r}"
        ) from None
    if loaded is None:
        raise SourceError(
            "This .npz file must hold a single array, or one called 'images'. "
            f"Received: source={str(path)!r} with {', '.join(names) or 'no array'}"
        )
    return ArraySource(loaded, path.stem, str(path.resolve()), file_stamp(path), columns)


def _check_unpacked_size(path: Path) -> None:
    """Raise a `SourceError` if the arrays of an `.npz` file would not fit into memory, or are packed like a bomb."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            size = member.file_size
            if size > UNPACKED_LIMIT or (size > RATIO_FROM and size > RATIO_LIMIT * member.compress_size):
                raise SourceError(
                    f"An array in this .npz file is too large to unpack into memory ({member.compress_size:,} bytes "
                    f"that unpack to {size:,}; the most is {UNPACKED_LIMIT:,}); save the images with `numpy.save` as "
                    f".npy, which is read from the disk. Received: source={str(path)!r} with {member.filename}"
                )


def _may_be_labels(array: np.ndarray, images: np.ndarray | None) -> bool:
    """Return whether an array has a number or a text for each image."""
    return images is not None and array.shape == images.shape[:1] and array.dtype.kind in "iubU"


def array_digest(array: np.ndarray) -> str:
    """Return a hash of an array's type, shape and values."""
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    for row in np.atleast_1d(array):
        digest.update(np.ascontiguousarray(row).tobytes())
    return digest.hexdigest()
