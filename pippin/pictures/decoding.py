"""One file of any kind → an upright RGB picture, or the reason why not."""

from pathlib import Path
from typing import BinaryIO, NamedTuple

import pi_heif
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pippin.pictures.colour import Refused, to_rgb
from pippin.pictures.deep_tiff import read_deep_tiff
from pippin.pictures.preparation import DEFAULT_PREPARATION, Preparation

Image.preinit()  # the usual formats are tried first; a file's kind is found by trying
pi_heif.register_heif_opener()  # teaches Pillow to read HEIC; AVIF it knows by itself

MIN_SIDE = 8  # pixels; anything smaller is an icon's spacer or a tracking dot
PIXEL_LIMIT = 89_478_485  # Pillow's own limit against decompression bombs: a quarter of a gibibyte as RGB

# What the first bytes say of a file that cannot be read. Telling a broken picture from a letter helps its owner.
PICTURE_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"\x00\x00\x01\x00")
TIFF_BEGINNINGS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
HEIF_BRANDS = (b"ftyphei", b"ftypmif", b"ftyphev", b"ftypavi", b"ftypmsf")


STILL = ("MPO", "HEIF", "TIFF")
"""Formats that may hold several pictures which are no animation: other views, thumbnails, pages."""


class Decoded(NamedTuple):
    """A picture that was read.

    Args:
        image: In mode RGB, or RGBA, upright.
        reasons: What had to be mended, in plain words.
        format: What the file is, such as `"JPEG"`.
        mode: The colour mode that it had, as Pillow calls it.
        width: Of the picture as it was, in pixels.
        height: The same.
    """

    image: Image.Image
    reasons: list[str]
    format: str
    mode: str
    width: int
    height: int


def read_picture(
    file: Path | BinaryIO,
    enough: int,
    preparation: Preparation = DEFAULT_PREPARATION,
    name: str | None = None,
    frame: int = 0,
) -> Decoded:
    """Reads one file, whatever it holds, as an upright RGB picture.

    The file's content decides, never its name.

    Args:
        file: The file's path, or its content.
        enough: A side in pixels that suffices: a larger picture may come back smaller, with no side below this.
        preparation: What transparent pictures are laid over.
        name: The file's name, where its content is given.
        frame: Of an animation, the frame that is taken.

    Returns:
        The picture, and what there is to say of it.

    Raises:
        Refused: If the file holds no picture that can be used; the message is the reason.
    """
    name = name or (file.name if isinstance(file, Path) else "")
    try:
        with Image.open(file) as image:
            return _mend(image, Path(name).suffix, enough, preparation, frame)
    except Refused:
        raise
    except UnidentifiedImageError:
        return _read_deep(file, enough, preparation)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"too large: more than {PIXEL_LIMIT:,} pixels") from None
    except FileNotFoundError:
        raise Refused("gone since the folder was listed") from None
    except PermissionError:
        raise Refused("its permissions forbid reading it") from None
    except MemoryError:
        raise Refused("too large for this machine's memory") from None
    except Exception as error:  # decoders raise whatever a broken file leads them into, from KeyError to struct.error
        text = " ".join(str(error).split())
        if "truncated" in text.lower():
            raise Refused("truncated: the end of the file is missing") from None
        raise Refused(f"damaged: {text or type(error).__name__}") from None


def _read_deep(file: Path | BinaryIO, enough: int, preparation: Preparation) -> Decoded:
    """Reads what Pillow does not recognise, if it is a TIFF of deep colour."""
    read = None
    if _beginning(file).startswith(TIFF_BEGINNINGS):
        try:
            read = read_deep_tiff(file, PIXEL_LIMIT, enough)
        except (Refused, MemoryError) as problem:
            raise Refused(str(problem) or "too large for this machine's memory") from None
        except Exception:  # damage leads its reader anywhere; what is said of it is said below
            read = None
    if read is None:
        raise Refused(_why_unreadable(file))
    picture, width, height = read
    _check_size(width, height)
    turned = _orientation(picture) != 1
    upright, reasons = to_rgb(ImageOps.exif_transpose(picture) if turned else picture, enough, preparation)
    said = ["deep colour turned into RGB", *(["turned upright"] if turned else []), *reasons]
    return Decoded(upright, said, "TIFF", picture.mode, width, height)


def _mend(image: Image.Image, suffix: str, enough: int, preparation: Preparation, frame: int) -> Decoded:
    """Turns an opened picture into upright RGB; returns it with what was mended."""
    width, height = image.size
    if image.format == "EPS":
        raise Refused("a drawing (EPS), not a picture made of pixels")
    if isinstance(image, ImageFile.StubImageFile):
        raise Refused(f"measurements or a drawing ({image.format}), not a picture made of pixels")
    _check_size(width, height)

    reasons = []
    named = Image.registered_extensions().get(suffix.lower())
    if named and named != image.format and not {named, image.format} <= {"JPEG", "MPO"}:  # MPO is several JPEGs
        reasons.append(f"wrong extension (named {suffix}, but {image.format})")
    if image.format not in STILL and getattr(image, "is_animated", False):
        reasons.append("frame of an animation taken" if frame else "first frame of an animation taken")
        image.seek(frame)

    is_tiff = image.format == "TIFF"  # it is turned upright when it is loaded, and must be asked before
    turned = is_tiff and _orientation(image) != 1
    drafted = image.draft("RGB", (enough, enough))  # a JPEG decodes at 1/2, 1/4 or 1/8 of its size in less time
    image.load()
    turned = turned or (not is_tiff and _orientation(image) != 1)  # a PNG loads when it is asked, and hides its damage
    _check_size(*image.size, f"{width}×{height}")  # an icon may hold another size than it says
    if turned:
        reasons.append("turned upright")
    mode, kind, loaded = image.mode, image.format or "unknown", image
    if drafted and drafted[1][2:] != image.size:  # its last column and row stand for less than a whole pixel
        loaded = image.crop((0, 0, int(drafted[1][2]), int(drafted[1][3])))
    picture, colour_reasons = to_rgb(ImageOps.exif_transpose(loaded) if turned else loaded, enough, preparation)
    return Decoded(picture, reasons + colour_reasons, kind, mode, width, height)


def _check_size(width: int, height: int, said: str | None = None) -> None:
    """Refuses what is too large or too small."""
    said = said or f"{width}×{height}"
    if width * height > PIXEL_LIMIT:
        raise Refused(f"too large: {said} is more than {PIXEL_LIMIT:,} pixels")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"too small: {said} pixels, the least is {MIN_SIDE}×{MIN_SIDE}")


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 (upright) to 8. Broken EXIF spoils no picture: it counts as upright."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _beginning(file: Path | BinaryIO) -> bytes:
    """Returns the first bytes of a file."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(16)
    file.seek(0)
    beginning = file.read(16)
    file.seek(0)
    return beginning


def _why_unreadable(file: Path | BinaryIO) -> str:
    """Says why no decoder recognised a file, from its first bytes."""
    beginning = _beginning(file)
    if not beginning:
        return "the file is empty"
    if beginning.startswith(TIFF_BEGINNINGS):
        return "damaged, or a kind of TIFF that cannot be read here: save it as PNG"
    if beginning.startswith(PICTURE_BEGINNINGS) or beginning[4:11] in HEIF_BRANDS:
        return "damaged: its beginning cannot be read"
    return "not a picture"
