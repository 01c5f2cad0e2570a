"""Every file looked at: kept, mended or refused, and why in plain words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

KEPT, MENDED, REFUSED = "kept", "mended", "refused"

MIN_SIDE = 8  # pixels; anything smaller is an icon's spacer or a tracking dot
PIXEL_LIMIT = 89_478_485  # Pillow's own limit against decompression bombs: a quarter of a gibibyte as RGB
NAMED_IN_SUMMARY = 5  # how many refused files a summary names

# What the first bytes say of a file that cannot be read. Telling a broken picture from a letter helps its owner.
PICTURE_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"II*\x00", b"MM\x00*", b"BM", b"\x00\x00\x01\x00")
HEIF_BRANDS = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc")

COLOURS = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey",
    "P": "palette",
    "PA": "palette",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "LAB": "LAB",
    "HSV": "HSV",
    "I": "deep grey",
    "F": "floating-point grey",
}


class Refused(Exception):  # noqa: N818 - a verdict, not an error: it ends with the file, never with the run
    """One picture cannot be used. The message is the reason, in plain words."""


@dataclass(frozen=True)
class Entry:
    """What became of one file (or one picture of an array).

    Args:
        path: Relative to the source, with forward slashes.
        bytes: The file's length.
        mtime_ns: When the file was last changed, in nanoseconds since 1970; 0 where there is no file.
        verdict: `"kept"` (taken as it was), `"mended"` (something was put right) or `"refused"`.
        reasons: Plain words: everything that was mended, or the one reason to refuse. Empty when kept.
        index: The picture's place in the prepared array; None when refused.
        digest: A hash of the prepared pixels, so that equal pictures have equal digests; None when refused.
    """

    path: str
    bytes: int
    mtime_ns: int
    verdict: str
    reasons: tuple[str, ...] = ()
    index: int | None = None
    digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the entry as the manifest holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Entry":
        """Returns the entry that `to_json` wrote."""
        return cls(**{**entry, "reasons": tuple(entry["reasons"])})


@dataclass(frozen=True)
class Audit:
    """The verdicts on a whole source.

    Args:
        entries: One per file, in the order of their paths.
        noun: What one entry is called: `"file"`, or `"picture"` where there are no files.
    """

    entries: tuple[Entry, ...]
    noun: str = "file"

    @property
    def counts(self) -> dict[str, int]:
        """How many files were kept, mended and refused."""
        found = Counter(entry.verdict for entry in self.entries)
        return {verdict: found[verdict] for verdict in (KEPT, MENDED, REFUSED)}

    @property
    def refused(self) -> tuple[Entry, ...]:
        """The files that were refused."""
        return tuple(entry for entry in self.entries if entry.verdict == REFUSED)

    def lines(self) -> list[str]:
        """Returns a few lines for people: the counts, what was mended, and the first refused files by name."""
        counts = self.counts
        found = f"{len(self.entries):,} {self.noun}" + ("" if len(self.entries) == 1 else "s")
        lines = [f"{found}: " + ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())]
        if counts[MENDED]:
            kinds = (_kind(reason) for entry in self.entries if entry.verdict == MENDED for reason in entry.reasons)
            mended = Counter(kinds)
            lines.append("mended: " + ", ".join(f"{count:,} {reason}" for reason, count in mended.most_common()))
        if counts[REFUSED]:
            lines.append("refused: " + name_refused(self.refused))
        return lines


def name_refused(refused: Sequence[Entry]) -> str:
    """Returns the first refused files with their reasons, and how many more there are."""
    named = [f"{printable(entry.path)} ({entry.reasons[0]})" for entry in refused[:NAMED_IN_SUMMARY]]
    more = len(refused) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def printable(path: str) -> str:
    """Returns a file's name so that any terminal can show it: file names may hold bytes that are no text at all."""
    text = path.encode("utf-8", "replace").decode("utf-8")
    return "".join(character if character.isprintable() else "?" for character in text)


def _kind(reason: str) -> str:
    """Returns the reason without what is particular to one file, for counting: that stands in brackets."""
    return reason.partition(" (")[0]


def read_picture(path: Path, enough: int) -> tuple[Image.Image, list[str]]:
    """Reads one file, whatever it holds, as an upright RGB picture over white.

    The file's content decides, never its name. Of an animation, the first frame is taken.

    Args:
        path: The file.
        enough: A side in pixels that suffices: a larger picture may come back smaller, with no side below this.

    Returns:
        The picture in mode RGB, and a list of what had to be mended, in plain words.

    Raises:
        Refused: If the file holds no picture that can be used; the message is the reason.
    """
    try:
        with Image.open(path) as image:
            return _mend(image, path, enough)
    except Refused:
        raise
    except UnidentifiedImageError:
        raise Refused(_why_unreadable(path)) from None
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
        if "truncated" in text or "Truncated" in text:
            raise Refused("truncated: the end of the file is missing") from None
        raise Refused(f"damaged: {text or type(error).__name__}") from None


def _mend(image: Image.Image, path: Path, enough: int) -> tuple[Image.Image, list[str]]:
    """Turns an opened picture into upright RGB over white; returns it with what was mended."""
    width, height = image.size
    if image.format == "EPS":
        raise Refused("a drawing (EPS), not a picture made of pixels")
    if width * height > PIXEL_LIMIT:
        raise Refused(f"too large: {width}×{height} is more than {PIXEL_LIMIT:,} pixels")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"too small: {width}×{height} pixels, the least is {MIN_SIDE}×{MIN_SIDE}")

    reasons = []
    named = Image.registered_extensions().get(path.suffix.lower())
    is_jpeg = {named, image.format} <= {"JPEG", "MPO"}  # MPO is a JPEG with further pictures behind the first
    if named and named != image.format and not is_jpeg:
        reasons.append(f"wrong extension (named {path.suffix}, but {image.format})")
    if image.format != "MPO" and getattr(image, "is_animated", False):
        reasons.append("first frame of an animation taken")
        image.seek(0)

    turned = _orientation(image) != 1  # asked before loading, which turns a TIFF upright by itself
    image.draft("RGB", (enough, enough))  # a JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the time
    image.load()
    if turned:
        reasons.append("turned upright")
    picture, colour_reasons = to_rgb(ImageOps.exif_transpose(image) if turned else image, enough)
    return picture, reasons + colour_reasons


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 (upright) to 8. Broken EXIF spoils no picture: it counts as upright."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def to_rgb(image: Image.Image, enough: int) -> tuple[Image.Image, list[str]]:
    """Turns a decoded picture of any colour mode into RGB over white.

    Args:
        image: A loaded picture.
        enough: A side in pixels that suffices; larger pictures are halved, thirded ... first, which saves memory.

    Returns:
        The picture in mode RGB, and a list of what had to be mended, in plain words.

    Raises:
        Refused: If the colour mode has no conversion, or the values are not finite.
    """
    reasons = []
    if image.mode.startswith("I;16"):
        reasons.append("16-bit grey turned into RGB")
        image = _deep_to_grey(image, 65535.0)
    elif image.mode in ("I", "F"):
        reasons.append(f"{COLOURS[image.mode]} turned into RGB")
        image = _deep_to_grey(image, None)
    elif image.mode in COLOURS:
        reasons.append(f"{COLOURS[image.mode]} turned into RGB")

    if image.has_transparency_data:
        image = _shrink(image.convert("RGBA"), enough)
        if np.asarray(image.getchannel("A")).min() < 255:
            reasons.append("laid over white, being transparent")
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground
    try:
        return _shrink(image.convert("RGB"), enough), reasons
    except ValueError:
        raise Refused(f"its colours cannot be turned into RGB ({image.mode})") from None


def _shrink(image: Image.Image, enough: int) -> Image.Image:
    """Averages whole blocks of pixels, as long as both sides stay above what is enough."""
    factor = min(image.size) // enough
    return image.reduce(factor) if factor > 1 else image


def _deep_to_grey(image: Image.Image, white: float | None) -> Image.Image:
    """Turns one channel of deep values into 8-bit grey; Pillow's own conversion would clip nearly all to white.

    Without a known `white` the values tell: floats within [0, 1], or integers of 8 or 16 bits. Anything else is
    a measurement (an X-ray, a height map) and is stretched from its lowest to its highest value.
    """
    values = np.asarray(image, np.float64)
    low, high = values.min(), values.max()
    if not np.isfinite(low + high):
        raise Refused("holds values that are not finite")
    if white is None and low >= 0:
        ranges = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        white = next((limit for limit in ranges if high <= limit), None)
    if white is None:
        values, white = values - low, high - low or 1.0
    return Image.fromarray(np.rint(values * (255.0 / white)).astype(np.uint8))


def _why_unreadable(path: Path) -> str:
    """Says why no decoder recognised a file, from its first bytes."""
    with path.open("rb") as file:
        beginning = file.read(16)
    if not beginning:
        return "the file is empty"
    if beginning[4:12] in HEIF_BRANDS:
        return "HEIC, which cannot be read here: save it as JPEG"
    if beginning.startswith(PICTURE_BEGINNINGS):
        return "damaged: its beginning cannot be read"
    return "not a picture"
