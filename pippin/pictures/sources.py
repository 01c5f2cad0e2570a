"""Where pictures come from: a folder, an array, or the built-in apples, all behind one small interface."""

import hashlib
import os
import stat
import statistics
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.audit import MIN_SIDE, read_picture, to_rgb

BUILT_IN = "apples"
BUILT_IN_PLACE = "built-in:apples"
BUILT_IN_COUNT = 2048

ARRAY_SUFFIXES = (".npy", ".npz")
SIDES = 100  # how many pictures are asked for their size
ARRAY_ROWS = 256  # how many pictures of an array are looked at in one go


@dataclass(frozen=True)
class Found:
    """One candidate picture: its name, length and time of change, and why it is out already, if it is."""

    path: str
    bytes: int = 0
    mtime_ns: int = 0
    problem: str | None = None


class Source(Protocol):
    """Anything that pictures come from.

    Attributes:
        name: A short name for people.
        place: What the source is, the same whenever it is opened: its resolved path, or words.
        found: Every candidate picture, in a fixed order.
        noun: What one of them is called: `"file"` or `"picture"`.
        trims_bars: Whether padding bars are to be trimmed. Only files are: arrays and apples are taken as made.
    """

    name: str
    place: str
    found: list[Found]
    noun: str
    trims_bars: bool

    def stamp(self) -> str:
        """Returns a string that changes when the source's content does."""
        ...

    def read(self, index: int, image_size: int, enough: int) -> tuple[Image.Image, list[str]]:
        """Returns picture `index` in mode RGB and what was mended; raises `Refused` if there is none to be had."""
        ...

    def side(self, index: int) -> int | None:
        """Returns the shorter side of picture `index` in pixels without reading it; None if nothing can be said."""
        ...


def open_source(source: Any) -> Source:
    """Finds out what a source is.

    Args:
        source: A folder's path, the path of an `.npy` or `.npz` file, a NumPy array of shape `(N, H, W)` or
            `(N, H, W, 1 | 3 | 4)`, uint8 or float within [0, 1] or [−1, 1], or the name `"apples"` of the built-in
            set. A folder called `apples` in the current directory comes before the built-in set, since pointing at a
            folder is what people do; a `Path` and a path with a slash (`./apples`) always mean the folder, and what
            a manifest calls the built-in set always means that.

    Returns:
        The source, opened.

    Raises:
        SourceError: If there is nothing, or nothing that holds pictures.
    """
    if isinstance(source, np.ndarray):
        return ArraySource(source, "array", f"array:{_digest(source)}", stamp="")
    if not isinstance(source, (str, os.PathLike)):
        raise SourceError(
            "The pictures must be a folder, an .npy or .npz file, a NumPy array, or the name 'apples'. "
            f"Received: source={source!r} of type {type(source).__name__}"
        )
    path = Path(os.path.expanduser(source))  # leaves ~nobody as it is, where Path would raise
    if source == BUILT_IN_PLACE or (source == BUILT_IN and not path.is_dir()):
        return OrchardSource()
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise SourceError(f"There is no such folder; check its spelling. Received: source={str(source)!r}")
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return _open_array(path)
    raise SourceError(
        "This is a single file, and no .npy or .npz array; give the folder that holds the pictures. "
        f"Received: source={str(source)!r}"
    )


def typical_side(source: Any) -> int | None:
    """Returns the median of the shorter sides of up to 100 pictures, in pixels; None if they have none.

    Args:
        source: See `open_source`.

    Raises:
        SourceError: If there is nothing, or nothing that holds pictures.
    """
    opened = open_source(source)
    some = range(0, len(opened.found), max(1, len(opened.found) // SIDES))
    sides = [side for side in map(opened.side, (i for i in some if opened.found[i].problem is None)) if side]
    return int(statistics.median(sides)) if sides else None


class FolderSource:
    """Every file in a folder and the folders within it, hidden ones left out, in the order of their paths."""

    noun = "file"
    trims_bars = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.name = self.folder.name or str(self.folder)
        self.place = str(self.folder)
        try:
            self.found = sorted(self._walk(self.folder, set()), key=lambda found: found.path)
        except OSError as error:
            raise SourceError(
                f"The folder cannot be read ({error.strerror}); check its permissions. Received: source={self.place!r}"
            ) from None
        if not self.found:
            raise SourceError(
                f"The folder is empty; put at least two pictures into it. Received: source={self.place!r}"
            )

    def _walk(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[Found]:
        """Goes through a folder. Links are followed, but no folder is entered twice, so a loop of links ends."""
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        for item in sorted(folder.iterdir()):
            if item.name.startswith("."):
                continue
            path = item.relative_to(self.folder).as_posix()
            try:
                status = item.stat()
                if stat.S_ISDIR(status.st_mode):
                    yield from self._walk(item, seen)
                elif stat.S_ISREG(status.st_mode):
                    yield Found(path, status.st_size, status.st_mtime_ns)
                else:  # opening a pipe would wait for ever
                    yield Found(path, problem="not a file but a pipe, socket or device")
            except PermissionError:
                yield Found(path, problem="its permissions forbid reading it")
            except OSError:
                yield Found(path, problem="a link that leads nowhere")

    def stamp(self) -> str:
        """Returns a hash of every file's path, length and time of change."""
        return _hash(*(f"{found.path}\0{found.bytes}\0{found.mtime_ns}\0{found.problem}" for found in self.found))

    def read(self, index: int, image_size: int, enough: int) -> tuple[Image.Image, list[str]]:
        """Reads one file; see `read_picture`."""
        return read_picture(self.folder / self.found[index].path, enough)

    def side(self, index: int) -> int | None:
        """Looks at the head of one file."""
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(self.folder / self.found[index].path) as picture:
                return min(picture.size)
        except Exception:  # whatever is wrong with it, the audit will say
            return None


class OrchardSource:
    """The built-in apples, painted one by one."""

    name = BUILT_IN
    place = BUILT_IN_PLACE
    noun = "picture"
    trims_bars = False

    def __init__(self) -> None:
        self.found = [Found(f"apple-{index:04}") for index in range(BUILT_IN_COUNT)]

    def stamp(self) -> str:
        """Returns a hash of the painter's own text: when it learns to paint better, the set is painted anew."""
        here, painter = Path(__file__).parent, ("orchard.py", "renderer.py", "brushes.py")
        return _hash(str(BUILT_IN_COUNT), *((here / name).read_text("utf-8") for name in painter))

    def read(self, index: int, image_size: int, enough: int) -> tuple[Image.Image, list[str]]:
        """Paints one apple at the very size that is wanted."""
        from pippin.pictures.orchard import apple_factors, paint_apple

        return Image.fromarray(paint_apple(apple_factors(index), image_size)), []

    def side(self, index: int) -> int | None:
        """Returns None: an apple is painted at any size."""
        return None


class ArraySource:
    """The pictures of one array.

    Args:
        array: Shape `(N, H, W)` or `(N, H, W, 1 | 3 | 4)`, uint8 in [0, 255] or float in [0, 1] or [−1, 1].
        name: A short name for people.
        place: What the array is, the same whenever it is opened.
        stamp: A string that changes when the array does.

    Raises:
        SourceError: If the shape, the type or the values are others.
    """

    noun = "picture"
    trims_bars = False

    def __init__(self, array: np.ndarray, name: str, place: str, stamp: str) -> None:
        self.array, self.name, self.place, self._stamp = array, name, place, stamp
        channels = array.shape[3] if array.ndim == 4 else 1
        if array.ndim not in (3, 4) or channels not in (1, 3, 4) or min(array.shape[1:3]) < MIN_SIDE:
            raise SourceError(
                f"An array of pictures has the shape (N, H, W) or (N, H, W, 1|3|4), H and W at least {MIN_SIDE}. "
                f"Received: shape={array.shape}"
            )
        self._low = self._lowest()
        self.found = [Found(f"{index:06}", array.nbytes // len(array)) for index in range(len(array))]

    def _lowest(self) -> float:
        """Returns the value that stands for black: 0 or −1."""
        if self.array.dtype == np.uint8:
            return 0.0
        if not np.issubdtype(self.array.dtype, np.floating):
            raise SourceError(
                "An array of pictures is uint8, or float within [0, 1] or [−1, 1]; convert it with "
                f"`.astype('uint8')`. Received: dtype={self.array.dtype}"
            )
        low = high = 0.0
        for start in range(0, len(self.array), ARRAY_ROWS):
            rows = self.array[start : start + ARRAY_ROWS]
            low, high = min(low, float(np.min(rows))), max(high, float(np.max(rows)))  # a NaN here ...
            if not np.isfinite(rows).all():  # ... ends here
                raise SourceError(
                    "An array of pictures must hold finite values; replace them with `numpy.nan_to_num`. "
                    f"Received: a value that is NaN or infinite among pictures {start} to {start + len(rows) - 1}"
                )
        if low < -1.0 or high > 1.0:
            raise SourceError(
                "A float array of pictures lies within [0, 1] or [−1, 1]; divide it, or convert it to uint8. "
                f"Received: values from {low:g} to {high:g}"
            )
        return -1.0 if low < 0.0 else 0.0

    def stamp(self) -> str:
        """Returns the stamp that the array was opened with."""
        return self._stamp

    def read(self, index: int, image_size: int, enough: int) -> tuple[Image.Image, list[str]]:
        """Returns one picture of the array, grey and alpha turned into RGB over white."""
        pixels = np.asarray(self.array[index])
        if pixels.dtype != np.uint8:
            pixels = np.rint((pixels.astype(np.float64) - self._low) * (255.0 / (1.0 - self._low))).astype(np.uint8)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        return to_rgb(Image.fromarray(np.ascontiguousarray(pixels)), enough)

    def side(self, index: int) -> int | None:
        """Returns the shorter side, which all pictures share."""
        return min(self.array.shape[1:3])


def _open_array(path: Path) -> ArraySource:
    """Opens an `.npy` file without reading it whole, or an `.npz` file with one array (or one called `images`)."""
    status = path.stat()
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(loaded, np.ndarray):
            with loaded as archive:
                names = list(archive.files)
                chosen = "images" if "images" in names else names[0] if len(names) == 1 else None
                loaded = archive[chosen] if chosen else None
    except Exception as error:  # a damaged file leads NumPy into ValueError, EOFError, BadZipFile, ...
        raise SourceError(
            f"This file is no array that NumPy reads ({' '.join(str(error).split())}); save it again with "
            f"`numpy.save`. Received: source={str(path)!r}"
        ) from None
    if loaded is None:
        raise SourceError(
            "This .npz file must hold a single array, or one called 'images'. "
            f"Received: source={str(path)!r} with {', '.join(names) or 'no array'}"
        )
    return ArraySource(loaded, path.stem, str(path.resolve()), stamp=f"{status.st_size}-{status.st_mtime_ns}")


def _digest(array: np.ndarray) -> str:
    """Returns a hash of an array's type, shape and values."""
    digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode())
    for row in np.atleast_1d(array):
        digest.update(np.ascontiguousarray(row).tobytes())
    return digest.hexdigest()


def _hash(*parts: str) -> str:
    """Returns a hash of some strings. File names may hold bytes that are no text, hence the error handler."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
