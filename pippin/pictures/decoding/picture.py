"""One file of any kind → an upright RGB picture, or the reason why there is none."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pi_heif
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pippin.pictures.decoding.camera_raw import TIFF_SIGNATURES, first_bytes, full_page, refuse_camera_raw
from pippin.pictures.decoding.colour import to_rgb
from pippin.pictures.decoding.deep_colour import has_deep_planes, is_deep, raw_mode, read_deep_colour
from pippin.pictures.decoding.deep_tiff import read_deep_tiff
from pippin.pictures.decoding.depth import DEEP_MODES, highest_value
from pippin.pictures.decoding.pixel_limit import raised_pixel_limit
from pippin.pictures.os_errors import could_not_be_read, why
from pippin.pictures.preparation import DEFAULT_PREPARATION, Preparation
from pippin.pictures.refused import Refused

Image.preinit()  # Pillow tries the decoders one after the other; this puts those of common formats first
pi_heif.register_heif_opener()  # adds HEIC to Pillow, which reads AVIF by itself

MIN_SIDE = 8
"""Least side of a picture in pixels. Smaller ones are spacers or tracking pixels."""

MAX_RATIO = 50
"""Largest ratio of a picture's sides. A square shows so little of a longer strip that it is no picture of it, and
enlarging its short side would take much memory."""

PICTURE_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"\x00\x00\x01\x00")
HEIF_BRANDS = (b"ftyphei", b"ftypmif", b"ftyphev", b"ftypavi", b"ftypmsf")
"""First bytes of formats. For a file that cannot be read, they distinguish a damaged picture from another kind of
file."""

NOT_ANIMATED = ("MPO", "HEIF", "TIFF")
"""Formats that may hold several pictures that are not an animation: other views, thumbnails, pages."""

FULL_PAGE = "full page of a TIFF used, and not its reduced first page"


class Decoded(NamedTuple):
    """A picture that was read.

    Args:
        image: The upright picture, in mode RGB or RGBA.
        reasons: What was repaired, in plain words.
        format: The file's format, such as `"JPEG"`.
        mode: The file's colour mode, as Pillow calls it.
        width: The picture's width in the file, in pixels.
        height: The picture's height in the file, in pixels.
        highest: Its highest value, if it has more than 8 bits and their number decides which value is white.
    """

    image: Image.Image
    reasons: list[str]
    format: str
    mode: str
    width: int
    height: int
    highest: float | None = None


def read_picture(
    file: Path | BinaryIO,
    needed_side: int,
    preparation: Preparation = DEFAULT_PREPARATION,
    name: str | None = None,
    frame: int = 0,
) -> Decoded:
    """Read one file of any kind as an upright RGB picture. The kind depends on the content, never on the name.

    Args:
        file: The file's path, or its content.
        needed_side: The least shorter side in pixels. A larger picture may be decoded at a smaller scale, with no side
            below this.
        preparation: Whether transparency is kept, and the background if it is not.
        name: The file's name, if its content is given.
        frame: Number of the frame to read from an animation.

    Returns:
        The picture.

    Raises:
        Refused: If the file holds no picture that can be used; the message is the reason.
        OSError: If the file cannot be read for a reason that may be temporary, such as too many open files.
    """
    suffix = os.path.splitext(name or (file.name if isinstance(file, Path) else ""))[1]
    try:
        try:
            with raised_pixel_limit(preparation.max_pixels), _opened(file, suffix) as (image, source):
                if has_deep_planes(image):
                    try:
                        return _read_deep(source, needed_side, preparation)
                    except Refused:
                        if not is_deep(raw_mode(image)):  # Pillow reads each byte as a pixel
                            raise
                return _decode(image, source, suffix, needed_side, preparation, frame)
        except UnidentifiedImageError:
            refuse_camera_raw(file, suffix, None)
            return _read_deep(full_page(file) or file, needed_side, preparation)
    except Refused:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"too large: more than {preparation.max_pixels:,} pixels") from None
    except MemoryError:
        raise Refused("too large for this machine's memory") from None
    except Exception as error:  # damaged files lead decoders to errors of any kind, from KeyError to struct.error
        if could_not_be_read(error):
            raise
        text = why(error)
        if "truncated" in text.lower():
            raise Refused("truncated: the end of the file is missing") from None
        raise Refused(f"damaged: {text}") from None


@contextmanager
def _opened(file: Path | BinaryIO, suffix: str) -> Iterator[tuple[Image.Image, Path | BinaryIO]]:
    """Open a picture; of a TIFF with a reduced first page, the full page. Refuse camera raws. Yield the file too."""
    with Image.open(file) as image:
        refuse_camera_raw(file, suffix, image.format)
        page = full_page(file) if image.format == "TIFF" else None
        if page is None:
            yield image, file
            return
    with Image.open(page) as image:
        image.info[FULL_PAGE] = True
        yield image, page


def _read_deep(file: Path | BinaryIO, needed_side: int, preparation: Preparation) -> Decoded:
    """Read a file that Pillow does not recognise or cannot read, if it is a TIFF of deep colour."""
    content = None
    if not isinstance(file, Path):
        file.seek(0)
    if first_bytes(file).startswith(TIFF_SIGNATURES):
        try:
            content = read_deep_tiff(file, preparation.max_pixels, needed_side, preparation.bits)
        except (Refused, MemoryError) as problem:
            raise Refused(str(problem) or "too large for this machine's memory") from None
        except Exception as error:  # damaged files lead to errors of any kind
            if could_not_be_read(error):
                raise
    if content is None:
        raise Refused(_unreadable_reason(file))
    picture, width, height, highest = content
    _check_size(width, height, preparation.max_pixels)
    turned = _orientation(picture) != 1
    upright, colour_reasons = to_rgb(ImageOps.exif_transpose(picture) if turned else picture, needed_side, preparation)
    reasons = ["deep colour turned into RGB", *(["turned upright"] if turned else []), *colour_reasons]
    return Decoded(upright, reasons, "TIFF", picture.mode, width, height, highest)


def _decode(
    image: Image.Image,
    source: Path | BinaryIO,
    suffix: str,
    needed_side: int,
    preparation: Preparation,
    frame: int,
) -> Decoded:
    """Return an opened picture as upright RGB, with what was repaired."""
    width, height = image.size
    if image.format == "EPS":
        raise Refused("a drawing (EPS), not a picture made of pixels")
    if isinstance(image, ImageFile.StubImageFile):
        raise Refused(f"measurements or a drawing ({image.format}), not a picture made of pixels")
    _check_size(width, height, preparation.max_pixels)
    layout = raw_mode(image)

    reasons = [FULL_PAGE] if FULL_PAGE in image.info else []
    named = Image.registered_extensions().get(suffix.lower())
    if named and named != image.format and not {named, image.format} <= {"JPEG", "MPO"}:  # MPO is several JPEGs
        reasons.append(f"wrong extension (named {suffix}, but {image.format})")
    if image.format not in NOT_ANIMATED and getattr(image, "is_animated", False):
        reasons.append("frame of an animation used" if frame else "first frame of an animation used")
        image.seek(frame)

    is_tiff = image.format == "TIFF"  # Pillow turns a TIFF upright when it loads it, so its orientation is read before
    turned = is_tiff and _orientation(image) != 1
    drafted = image.draft("RGB", (needed_side, needed_side))  # a JPEG decodes faster at 1/2, 1/4 or 1/8 of its size
    image.load()
    turned = turned or (not is_tiff and _orientation(image) != 1)  # a PNG loads here, and would hide its damage before
    _check_size(*image.size, preparation.max_pixels, f"{width}×{height}")
    if turned:
        reasons.append("turned upright")
    mode, kind, loaded = image.mode, image.format or "unknown", image
    highest = None
    if image.mode.startswith(DEEP_MODES):
        highest = highest_value(np.asarray(image))
    elif is_deep(layout):
        loaded, highest = read_deep_colour(image, layout, source, preparation.bits)
    if drafted and drafted[1][2:] != image.size:  # the last column and row cover only a part of a pixel
        loaded = loaded.crop((0, 0, int(drafted[1][2]), int(drafted[1][3])))
    picture, colour_reasons = to_rgb(ImageOps.exif_transpose(loaded) if turned else loaded, needed_side, preparation)
    return Decoded(picture, reasons + colour_reasons, kind, mode, width, height, highest)


def _check_size(width: int, height: int, max_pixels: int, size: str | None = None) -> None:
    """Refuse a picture that is too large or too small. `size` is its size in messages."""
    size = size or f"{width}×{height}"
    if width * height > max_pixels:
        raise Refused(f"too large: {size} is more than {max_pixels:,} pixels")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"too small: {size} pixels, the least is {MIN_SIDE}×{MIN_SIDE}")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise Refused(f"too thin: {size} pixels, the longer side is more than {MAX_RATIO} times the shorter")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8. A picture with damaged EXIF data counts as upright."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _unreadable_reason(file: Path | BinaryIO) -> str:
    """Return why no decoder recognised a file, by its first bytes."""
    beginning = first_bytes(file)
    if not beginning:
        return "the file is empty"
    if beginning.startswith(TIFF_SIGNATURES):
        return "damaged, or a kind of TIFF that cannot be read here: save it as PNG"
    if beginning.startswith(PICTURE_SIGNATURES) or beginning[4:11] in HEIF_BRANDS:
        return "damaged: its beginning cannot be read"
    return "not a picture"
