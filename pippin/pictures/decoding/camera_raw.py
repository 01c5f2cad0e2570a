"""Camera raws, and TIFFs whose first page is a reduced preview.

A camera raw holds the values of the sensor, which need development, and beside them small previews, which decoders take
for the picture. Most raws are TIFFs: the preview is the first page, and the sensor values are in a page below it.
"""

import io
import logging
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pippin.pictures.os_errors import could_not_be_read
from pippin.pictures.refused import Refused

REASON = "camera raw; save it as JPEG or PNG"

_RAW_NAMES = (
    "3fr arw bay cap cr2 cr3 crw dcr dcs dng erf fff gpr iiq k25 kdc mdc mef mos mrw nef nrw orf pef ptx r3d raf raw "
    "rw2 rwl rwz sr2 srf srw x3f"
)
SUFFIXES = frozenset(f".{name}" for name in _RAW_NAMES.split())
"""Extensions of camera raws. A file with one of them counts as a raw, unless it holds a format of `CERTAIN_FORMATS`."""

CERTAIN_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "HEIF", "AVIF", "BMP")
"""Formats with an unmistakable signature, which no raw has: a file with the extension of a raw is only misnamed."""

TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

SIGNATURES = (
    *(
        (0, start)
        for start in (b"IIU\x00", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb", b"\x00MRM", b"ARRI")
    ),
    *((4, start) for start in (b"ftypcrx ", b"RED1", b"RED2")),
    (6, b"HEAPCCDR"),
)
"""Signatures of raws that are no TIFFs, each with its position in the file."""

TIFF_MARKS = (b"CR\x02", b"IIII", b"MMMM")
"""What raws of Canon and Phase One have behind the header of a TIFF, in byte 8."""

SUBFILE, OLD_SUBFILE, PHOTOMETRIC, DNG_VERSION = 254, 255, 262, 50706
"""Numbers of TIFF tags."""

SENSOR_VALUES = (32803, 34892)
"""Values of the tag `PHOTOMETRIC` for a colour filter array and for linear raw values."""

MAX_PAGES = 16
"""Number of pages, and of pages below the first one, that are examined. Raws have fewer than ten."""


def refuse_camera_raw(file: Path | BinaryIO, suffix: str, format: str | None) -> None:
    """Raise `Refused` if a file is a camera raw.

    Args:
        file: The file's path, or its content.
        suffix: The extension of its name.
        format: The format that Pillow recognised; None if it recognised none.
    """
    if format in CERTAIN_FORMATS:
        return
    beginning = first_bytes(file)
    is_tiff = beginning.startswith(TIFF_SIGNATURES)
    if (
        suffix.lower() in SUFFIXES
        or any(beginning[at:].startswith(signature) for at, signature in SIGNATURES)
        or (is_tiff and beginning[8:].startswith(TIFF_MARKS))
        or (is_tiff and any(map(_holds_sensor_values, _pages(file))))
    ):
        raise Refused(REASON)


def full_page(file: Path | BinaryIO) -> io.BytesIO | None:
    """Return a TIFF's content with its full page first, if its first page is a reduced preview; else None.

    Args:
        file: The file's path, or its content.
    """
    pages = list(_pages(file))
    if not pages or not _is_reduced(pages[0]):
        return None
    full = max(
        (page for page in pages if not _is_reduced(page)),
        key=lambda page: page.imagewidth * page.imagelength,
        default=None,
    )
    if full is None:
        return None
    content = bytearray(file.read_bytes() if isinstance(file, Path) else _all_bytes(file))
    order = "<" if content[:2] == b"II" else ">"
    is_big = content[2:4] in (b"+\x00", b"\x00+")
    struct.pack_into(order + ("Q" if is_big else "I"), content, 8 if is_big else 4, full.offset)
    return io.BytesIO(bytes(content))


def first_bytes(file: Path | BinaryIO) -> bytes:
    """Return the first 32 bytes of a file."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(32)
    position = file.tell()
    file.seek(0)
    beginning = file.read(32)
    file.seek(position)
    return beginning


def _all_bytes(file: BinaryIO) -> bytes:
    """Return the content of an open file."""
    file.seek(0)
    return file.read()


def _pages(file: Path | BinaryIO) -> Iterator[Any]:
    """Yield the first pages of a TIFF, and the pages below the first one. A damaged TIFF has fewer, or none."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # keeps its warnings off standard error
    position = None if isinstance(file, Path) else file.tell()
    try:
        with tifffile.TiffFile(file) as tiff:
            first = tiff.pages[0]
            yield first
            yield from islice(first.pages or (), MAX_PAGES)
            for number in range(1, min(MAX_PAGES, len(tiff.pages))):
                yield tiff.pages[number].aspage()
    except Exception as error:  # damaged files lead to errors of any kind
        if could_not_be_read(error):
            raise
    finally:
        if position is not None and not isinstance(file, Path):
            file.seek(position)


def _holds_sensor_values(page: Any) -> bool:
    """Return whether a page of a TIFF holds the values of a sensor, or belongs to a digital negative."""
    return DNG_VERSION in page.tags or page.tags.valueof(PHOTOMETRIC) in SENSOR_VALUES


def _is_reduced(page: Any) -> bool:
    """Return whether a page of a TIFF is a reduced version of another one."""
    subfile, old = page.tags.valueof(SUBFILE, 0), page.tags.valueof(OLD_SUBFILE, 1)
    return bool(isinstance(subfile, int) and subfile & 1) or old == 2
