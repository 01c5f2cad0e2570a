"""One picture: prepared as an item of a source, or by itself."""

import dataclasses
import os
import warnings
from pathlib import Path

import numpy as np

from pippin.errors import SourceError
from pippin.pictures.channels import RGB, RGBA
from pippin.pictures.decoding.picture import Decoded, read_picture
from pippin.pictures.entries import BLANK, DELETED, ENLARGED, KEPT, MENDED, REFUSED, UNREAD, Entry
from pippin.pictures.framing.squares import make_squares, read_trimmed
from pippin.pictures.labels import FOLDERS, NO_FOLDER
from pippin.pictures.os_errors import could_not_be_read, why
from pippin.pictures.preparation import DEFAULT_PREPARATION, Preparation
from pippin.pictures.preparing.duplicates import perceptual_hash
from pippin.pictures.preparing.journal import digest_of
from pippin.pictures.preparing.workers import TIME_LIMIT
from pippin.pictures.refused import Refused
from pippin.pictures.sources import Source, SourceItem

VISIBLE_DIFFERENCE = 16
"""Of 255. A pixel that differs more than this from the median colour of its picture counts as visible: the noise of a
plain JPEG stays below it."""

BLANK_SHARE = 0.002
"""Share of visible pixels below which a picture is blank: 8 of the 4,096 pixels of a 64×64 square."""

Prepared = tuple[Entry, np.ndarray | None]
"""The entry of one item, and its squares if it was not refused."""


def prepare_item(
    item: SourceItem, source: Source, image_size: int, preparation: Preparation = DEFAULT_PREPARATION
) -> Prepared:
    """Read one item, trim padding bars, cut or pad it to one square or several, and resize those.

    Args:
        item: The item.
        source: Its source.
        image_size: Side of the squares in pixels.
        preparation: How pictures are prepared.

    Returns:
        The entry, without its index, and the squares: uint8 `(crops, image_size, image_size, 3 | 4)`, or None if the
        item was refused. If it could not be read now, `Entry.is_unread` is true.
    """
    if item.problem is not None:
        return _refused(item, item.problem), None
    if preparation.labels == FOLDERS and "/" not in item.path.replace("\\", "/"):
        return _refused(item, NO_FOLDER), None
    try:
        return _prepare_readable(item, source, image_size, preparation)
    except Exception as error:  # whatever goes wrong in one file concerns only this file
        return _refused(item, refusal_reason(error)), None


def refusal_reason(error: Exception) -> str:
    """Return the reason to refuse a file, from the error that it led to."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, MemoryError):
        return "too large for this machine's memory"
    if isinstance(error, FileNotFoundError):
        return DELETED
    if could_not_be_read(error):
        return f"{UNREAD}: {why(error)}"
    return f"cannot be prepared: {type(error).__name__}: {why(error)}"


def _prepare_readable(item: SourceItem, source: Source, image_size: int, preparation: Preparation) -> Prepared:
    """Return what `prepare_item` does, for an item without a problem so far. It may raise any error."""

    def read(needed_side: int) -> Decoded:
        return source.read(item, image_size, needed_side, preparation)

    decoded, box, trimming = read_trimmed(read, image_size, preparation, source.trims_bars)
    squares, framing = make_squares(decoded.image, box, image_size, preparation)
    reasons = (*decoded.reasons, *trimming, *framing)
    notes = [ENLARGED] if min(decoded.width, decoded.height) < image_size else []
    if is_blank(squares[0]):
        notes.append(BLANK)
    entry = Entry(
        item.path,
        item.bytes,
        item.mtime_ns,
        MENDED if reasons else KEPT,
        reasons,
        tuple(notes),
        crops=len(squares),
        digest=digest_of(squares),
        likeness=perceptual_hash(squares[0]),
        format=decoded.format,
        mode=decoded.mode,
        width=decoded.width,
        height=decoded.height,
        file=item.file,
        highest=decoded.highest,
        grey=_is_grey(squares),
        transparent=squares.shape[-1] == RGBA and bool(squares[..., RGB].min() < 255),
    )
    return entry, squares


def prepare_one_photo(
    path: str | os.PathLike[str], image_size: int, preparation: Preparation = DEFAULT_PREPARATION
) -> np.ndarray:
    """Read one picture file and prepare a single square of it, as `prepare` does for a folder.

    Args:
        path: The file.
        image_size: Side of the square in pixels.
        preparation: How pictures are prepared. If it asks for several crops, one is taken, as with `crops=1`.

    Returns:
        uint8 `(image_size, image_size, channels)`, 0 to 255; RGB if the preparation leaves the channels open.

    Raises:
        SourceError: If there is no such file, or it cannot be read as a picture.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow warns of oddities that do not matter here
            decoded, box, _ = read_trimmed(
                lambda needed_side: read_picture(Path(path), needed_side, preparation),
                image_size,
                preparation,
                trim=True,
            )
            squares, _ = make_squares(decoded.image, box, image_size, dataclasses.replace(preparation, crops=1))
    except Exception as error:  # damaged files lead to errors of any kind
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else refusal_reason(error)
        raise SourceError(f"The photograph cannot be read: {reason}. Received: {path}") from None
    return squares[0][..., : preparation.channels]


def is_blank(pixels: np.ndarray) -> bool:
    """Return whether nearly all pixels of a picture have one colour.

    Args:
        pixels: uint8 `(S, S, 3 | 4)`.
    """
    count = pixels.shape[0] * pixels.shape[1]
    most = int(BLANK_SHARE * count)
    sample = np.sort(pixels[::4, ::4].reshape(-1, pixels.shape[-1]), axis=0).astype(np.int16)
    if (sample[-1 - most] - sample[most] > 2 * VISIBLE_DIFFERENCE).any():
        return False  # more than `most` pixels lie on both sides of any median: a quick answer for most photographs
    planes = np.ascontiguousarray(pixels.reshape(-1, pixels.shape[-1]).T)  # NumPy is slow along a short last axis
    ordered = np.sort(planes, axis=1, kind="stable")
    median = ordered[:, (count - 1) // 2 : count // 2 + 1].mean(axis=1).astype(np.int16)
    visible = np.abs(planes - median[:, None]) > VISIBLE_DIFFERENCE
    return np.count_nonzero(visible.any(axis=0)) < BLANK_SHARE * count


def crashed(item: SourceItem) -> Prepared:
    """Return the result for an item on which a worker process died."""
    return _refused(item, "the decoder crashes on it"), None


def timed_out(item: SourceItem) -> Prepared:
    """Return the result for an item that a worker process did not finish in time."""
    return _refused(item, f"it takes longer than {TIME_LIMIT:.0f} s to read"), None


def _is_grey(squares: np.ndarray) -> bool:
    """Return whether red, green and blue are equal in every pixel."""
    if squares.shape[-1] != RGB:
        return False
    parts = squares[:, ::8, ::8], squares  # a few pixels are enough to decide for most pictures
    return all(bool((part[..., :1] == part[..., 1:]).all()) for part in parts)


def _refused(item: SourceItem, reason: str) -> Entry:
    """Return the entry of an item that is refused."""
    return Entry(item.path, item.bytes, item.mtime_ns, REFUSED, (reason,), file=item.file)
