"""A source of anything → one array of square RGB pictures on disk, with a manifest of what became of every file.

Padding bars, plain strips that made a picture fit a frame, are trimmed. They must be told from the plain ground of a
product photograph, which has to stay: cut tightly, the fruit loses its outline. A bar ends abruptly, all along its
length, whereas an object on a plain ground begins narrow. And a bar has a partner on the opposite side, for people put
pictures in the middle: where only one of the two shows, since the picture ends in a white sky, the other is as long.
"""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import platformdirs
from PIL import Image

from pippin.errors import SourceError
from pippin.pictures.audit import KEPT, MENDED, MIN_SIDE, REFUSED, Audit, Entry, Refused, name_refused
from pippin.pictures.dataset import MANIFEST_FILE, PICTURES_FILE, Dataset, publish, reopen, tidy, write_header
from pippin.pictures.sources import Source, open_source
from pippin.settings import check_image_size

PREPARATION_VERSION = 1  # raise it when the same file would become another picture: everything is prepared anew
AT_ONCE = 64  # pictures decoded before they are written, the most that memory holds

LEAST_LEFT = 4  # trimming leaves a quarter of either side at least
WORKING_SIDE = 384  # pixels; a larger picture is looked at in a smaller copy, which evens out noise too
TOLERANCE = 16  # of 255: as far from the bar's colour as the noise of a JPEG goes
STRAY = 0.1  # share of a bar's line that may differ all the same: a JPEG rings beside sharp edges
BLEND = 3  # lines within which a bar ends: resizing blurs its edge
CLEAR = 0.85  # share of the first line after a bar that differs from it, if the bar has a partner opposite
CLEAR_ALONE = 0.95  # the same without a partner; then the bar must be black or white, too

Progress = Callable[[int, int], None]


def prepare(
    source: Any, image_size: int, cache: str | os.PathLike[str] | None = None, progress: Progress | None = None
) -> Dataset:
    """Prepares pictures for training, once: if nothing has changed since, what was prepared then is opened.

    Args:
        source: A folder, an `.npy` or `.npz` file, a NumPy array, or `"apples"`; see `open_source`.
        image_size: Side of the prepared pictures in pixels, a power of two from 16 to 256.
        cache: The folder to keep prepared pictures in. Without it, the environment variable `PIPPIN_CACHE`, and
            without that, the user's cache folder.
        progress: Called as `progress(done, total)` after each picture that is prepared now; not for an opened set.

    Returns:
        The dataset.

    Raises:
        SettingsError: If `image_size` is not such a power of two.
        SourceError: If there is nothing at `source`, fewer than two different pictures in it, or no room for them.
    """
    check_image_size(image_size)
    opened = open_source(source)
    shelf = _cache_folder(cache) / _key(opened.place, str(image_size), str(PREPARATION_VERSION))
    place = shelf / _key(opened.stamp())
    dataset = reopen(place)
    if dataset is not None:
        return dataset

    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="making-", dir=shelf, ignore_cleanup_errors=True) as workshop:
            _make(opened, image_size, Path(workshop), progress)
            publish(Path(workshop), place)
    except OSError as error:
        raise SourceError(
            f"The prepared pictures cannot be written ({error.strerror}); name another folder in PIPPIN_CACHE. "
            f"Received: cache={str(shelf.parent)!r}"
        ) from error
    tidy(shelf, place)
    return Dataset.open(place)


def _make(source: Source, image_size: int, folder: Path, progress: Progress | None) -> None:
    """Writes the pictures and the manifest into a folder."""
    with (folder / PICTURES_FILE).open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities that the audit judges by itself
        entries = _write_pictures(source, image_size, file, progress)
    digests = [entry.digest for entry in entries if entry.digest is not None]
    _check_enough(source, entries, len(set(digests)))
    manifest = {
        "name": source.name,
        "source": source.place,
        "noun": source.noun,
        "image_size": image_size,
        "preparation_version": PREPARATION_VERSION,
        "fingerprint": _key(str(image_size), *digests),
        "files": [entry.to_json() for entry in entries],
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _check_enough(source: Source, entries: list[Entry], different: int) -> None:
    """Raises `SourceError` if fewer than two different pictures were found."""
    audit = Audit(tuple(entries), source.noun)
    found = f"Received: source={source.place!r} with {len(entries):,} {source.noun}{'' if len(entries) == 1 else 's'}"
    if different == 0:
        named = f": {name_refused(audit.refused)}" if audit.refused else ""
        raise SourceError(f"No picture could be read; give a folder that holds pictures. {found}{named}")
    if different == 1:
        readable = len(entries) - len(audit.refused)
        same = "one picture" if readable == 1 else f"{readable:,} pictures, all the same"
        raise SourceError(f"At least two different pictures are needed to learn from; add more. {found}: {same}")


def _write_pictures(source: Source, image_size: int, file: BinaryIO, progress: Progress | None) -> list[Entry]:
    """Streams the prepared pictures into an `.npy` file, never holding more than a few; returns the entries."""
    total = len(source.found)
    entries: list[Entry] = []
    count = 0
    write_header(file, total, image_size)
    for found, (pixels, reasons) in zip(source.found, _prepared(source, image_size), strict=True):
        if pixels is None:
            verdict, index, digest = REFUSED, None, None
        else:
            verdict, index = MENDED if reasons else KEPT, count
            digest = hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest()
            file.write(pixels.tobytes())
            count += 1
        entries.append(Entry(found.path, found.bytes, found.mtime_ns, verdict, tuple(reasons), index, digest))
        if progress is not None:
            progress(len(entries), total)
    file.seek(0)
    write_header(file, count, image_size)  # NumPy leaves room in the header for the count to change
    return entries


def _prepared(source: Source, image_size: int) -> Iterator[tuple[np.ndarray | None, list[str]]]:
    """Yields each picture's pixels and what was mended, or None and the reason to refuse it, in order."""
    Image.init()  # Pillow loads its decoders here; better before the threads than in them

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:  # decoding releases Python's lock
        for start in range(0, len(source.found), AT_ONCE):
            indices = range(start, min(start + AT_ONCE, len(source.found)))
            yield from pool.map(lambda index: prepare_one(source, index, image_size), indices)


def prepare_one(source: Source, index: int, image_size: int) -> tuple[np.ndarray | None, list[str]]:
    """Prepares one picture: reads it, trims padding bars, crops the middle square and resizes it.

    Args:
        source: Where the picture comes from.
        index: Which of `source.found`.
        image_size: Side of the prepared picture in pixels.

    Returns:
        The uint8 pixels of shape `(image_size, image_size, 3)` and what was mended; or None and the reason why not.
    """
    problem = source.found[index].problem
    if problem is not None:
        return None, [problem]
    try:
        picture, reasons = source.read(index, image_size, enough=LEAST_LEFT * image_size)
    except Refused as refusal:
        return None, [str(refusal)]
    box = Box(0, 0, *picture.size)
    if source.trims_bars:
        bars = find_bars(np.asarray(picture))
        trimmed = Box(bars.left, bars.top, box.right - bars.right, box.bottom - bars.bottom)
        if trimmed != box and trimmed.shorter_side >= MIN_SIDE:
            box, reasons = trimmed, [*reasons, f"padding bars trimmed ({bars})"]
    square = middle_square(box)
    prepared = picture.resize((image_size, image_size), Image.Resampling.LANCZOS, square, reducing_gap=3)
    return np.asarray(prepared), reasons


class Box(NamedTuple):
    """A rectangle in pixels: left and top inside, right and bottom just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shorter_side(self) -> int:
        """The smaller of width and height."""
        return min(self.right - self.left, self.bottom - self.top)


def middle_square(box: Box) -> Box:
    """Returns the largest square in the middle of a box."""
    side = box.shorter_side
    left, top = (box.left + box.right - side) // 2, (box.top + box.bottom - side) // 2
    return Box(left, top, left + side, top + side)


class Bars(NamedTuple):
    """How many lines of a picture are padding, on each side."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        return ", ".join(f"{lines} {side}" for side, lines in self._asdict().items() if lines)


class Run(NamedTuple):
    """A run of plain lines at one side of a picture, and what comes after it.

    Args:
        length: How many lines are plain.
        colour: float, shape `(3,)`: the colour they have.
        clear: The largest share of a line that differs from that colour, among the first few after the run.
        end: The line, counted from the side, at which the picture is fully there.
    """

    length: int
    colour: np.ndarray
    clear: float
    end: int


def find_bars(pixels: np.ndarray) -> Bars:
    """Finds the padding bars of a picture.

    Args:
        pixels: uint8 of shape `(H, W, 3)`, RGB, 0 to 255.

    Returns:
        How many lines to trim on each side, all 0 if there are no bars.
    """
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // WORKING_SIDE)
    rows, columns = height // step, width // step
    small = pixels[: rows * step, : columns * step]
    if step > 1:
        small = small.reshape(rows, step, columns, step, 3).mean((1, 3)).astype(np.uint8)
    small = small.astype(np.int16)

    left, top, right, bottom = 0, 0, columns, rows
    for _ in range(2):  # the second look finds bars within bars, and those on all four sides
        first, last = _trim(small[top:bottom, left:right], rows)
        top, bottom = top + first, bottom - last
        first, last = _trim(small[top:bottom, left:right].swapaxes(0, 1), columns)
        left, right = left + first, right - last
    return Bars(
        left * step,
        top * step,
        width - right * step if right < columns else 0,
        height - bottom * step if bottom < rows else 0,
    )


def _trim(lines: np.ndarray, whole: int) -> tuple[int, int]:
    """Returns how many lines at the beginning and at the end are padding.

    Args:
        lines: int16 of shape `(lines, length, 3)`.
        whole: How many lines the whole picture has, of which a good part must be left.
    """
    head, tail = _plain_run(lines), _plain_run(lines[::-1])
    partners = min(head.length, tail.length) > 0 and bool((np.abs(head.colour - tail.colour) <= TOLERANCE).all())
    first, last = _lines_to_trim(head, tail, partners), _lines_to_trim(tail, head, partners)
    return (first, last) if LEAST_LEFT * (len(lines) - first - last) >= whole else (0, 0)


def _lines_to_trim(run: Run, opposite: Run, partners: bool) -> int:
    """Returns how many lines to trim at one side; `partners` says that both sides are plain in the same colour."""
    if partners and run.clear >= CLEAR:
        return run.end
    if partners and opposite.clear >= CLEAR:
        return min(run.length, opposite.length)
    black_or_white = run.colour.max() <= TOLERANCE or run.colour.min() >= 255 - TOLERANCE
    return run.end if run.length and black_or_white and run.clear >= CLEAR_ALONE else 0


def _plain_run(lines: np.ndarray) -> Run:
    """Measures the run of plain lines with which a picture begins."""
    colour = np.median(lines[0], axis=0)
    differing = (np.abs(lines - colour).max(axis=-1) > TOLERANCE).mean(axis=-1)
    if differing.max() <= STRAY:
        return Run(len(lines), colour, 0.0, len(lines))
    length = int((differing > STRAY).argmax())
    after = differing[length : length + BLEND]
    clear = float(after.max())
    end = length + int((after >= CLEAR).argmax()) + 1  # one more: the first line may be a blend of bar and picture
    return Run(length, colour, clear, end)


def _cache_folder(cache: str | os.PathLike[str] | None) -> Path:
    """Returns the folder that keeps prepared pictures."""
    return Path(cache or os.environ.get("PIPPIN_CACHE") or platformdirs.user_cache_dir("pippin"))


def _key(*parts: str) -> str:
    """Returns a short hash, fit for a folder's name."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]
