"""The options of a preparation: how pictures of any kind become images of one size."""

from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import ImageColor

from pippin.errors import SettingsError
from pippin.host.limits import PIXEL_LIMIT
from pippin.host.text import is_number
from pippin.pictures.channels import GREY, RGB, RGBA
from pippin.pictures.decoding.depth import BITS

FITS = ("crop", "pad", "squash")
FOCI = ("auto", "centre")
FRAMES = ("auto", "first", "all")
DUPLICATES = ("keep", "exact", "near")
NO_LABELS = "none"
BLUR = "blur"
MAX_CROPS = 16


def _option(default: Any, help: str) -> Any:
    """Return a field with a line of help."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Preparation:
    """How pictures of any shape and kind become squares of one size. A dataset and a run keep their preparation.

    Args:
        background: The background of transparent pictures and of padding: the name of a colour in CSS, `#rrggbb`, or
            `"blur"`, which is the picture itself, blurred.
        fit: `"crop"` cuts out a square, `"pad"` keeps the whole picture and pads it to a square, `"squash"` changes
            the proportions.
        keep_borders: Whether padding bars around a picture are kept.
        crops: With `fit="crop"`, the largest number of squares from a wide or high picture, 1 to 16. They overlap by
            at most half.
        duplicates: `"exact"` leaves out all but one of the pictures that are equal when prepared, `"near"` also
            leaves out those that look the same, `"keep"` leaves out none.
        frames: Frames of animations and videos: `"first"`, `"all"` (at most a thousand of each file), a number of
            frames, evenly spaced, or `"auto"`: the first frame of an animation and 24 of a video. Archives are
            excepted.
        focus: With `fit="crop"` and one square, its position in a wide or high picture: `"auto"` is where most of the
            content is, if that is clearly not the centre; `"centre"` is the centre.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA, which keeps transparency). None is 1 if all pictures are grey, else 3.
        labels: `"none"` uses no labels, `"folders"` uses the folders of the pictures. Any other text is the name of a
            column in a table of labels: `metadata.csv`, `metadata.jsonl`, StyleGAN's `dataset.json` (its column is
            called `label`), a parquet file, or an `.npz` file.

        bits: Number of bits of values in files of more than 8 bits (16-bit PNG, TIFF or arrays): 8, 10, 12, 14 or 16;
            the highest value that it holds is white. None is the smallest that holds the highest value of the set.
        max_pixels: Largest number of pixels of a picture. Larger ones are refused before they are decoded.

    Raises:
        SettingsError: If an option has another value.
    """

    background: str = _option("white", "Background of transparent pictures and padding: a colour, or blur.")
    fit: str = _option("crop", "How a picture becomes a square: crop, pad or squash.")
    keep_borders: bool = _option(False, "Keep padding bars around pictures.")
    crops: int = _option(1, "Largest number of squares from a wide or high picture.")
    duplicates: str = _option("exact", "Copies to leave out: exact, near (with the exact ones), or keep for none.")
    frames: str = _option("auto", "Frames of animations and videos: first, all, a number, or auto.")
    focus: str = _option("auto", "Position of the square: auto (where most of the content is) or centre.")
    channels: int | None = _option(None, "1 (grey), 3 (RGB) or 4 (RGBA); default: 1 if all pictures are grey, else 3.")
    bits: int | None = _option(None, "Bits of values in 16-bit files: 8, 10, 12, 14 or 16; default: as the set needs.")
    max_pixels: int = _option(PIXEL_LIMIT, "Largest number of pixels of a picture.")
    labels: str = _option("none", "Labels: none, folders, or the name of a column.")

    def __post_init__(self) -> None:
        for name, known in (("fit", FITS), ("focus", FOCI), ("duplicates", DUPLICATES)):
            value = getattr(self, name)
            if value not in known:
                raise SettingsError(f"{name} must be one of {', '.join(known)}. Received: {name}={value}")
        if not isinstance(self.labels, str) or not self.labels:
            raise SettingsError(f"labels must be none, folders or a column. Received: labels={self.labels!r}")
        if self.background != BLUR:
            self.colour()
        frames = str(self.frames)
        if frames not in FRAMES and not (is_number(frames) and int(frames) > 0):
            raise SettingsError(f"frames must be {', '.join(FRAMES)}, or a number from 1. Received: frames={frames}")
        object.__setattr__(self, "frames", frames)
        if isinstance(self.crops, bool) or not isinstance(self.crops, int) or not 1 <= self.crops <= MAX_CROPS:
            raise SettingsError(f"crops must be a whole number from 1 to {MAX_CROPS}. Received: crops={self.crops}")
        if self.channels not in (None, GREY, RGB, RGBA) or isinstance(self.channels, bool):
            raise SettingsError(f"channels must be 1 (grey), 3 (RGB) or 4 (RGBA). Received: channels={self.channels}")
        if self.bits is not None and (isinstance(self.bits, bool) or self.bits not in BITS):
            raise SettingsError(f"bits must be one of {', '.join(map(str, BITS))}. Received: bits={self.bits}")
        if isinstance(self.max_pixels, bool) or not isinstance(self.max_pixels, int) or self.max_pixels < 1:
            raise SettingsError(f"max_pixels must be a whole number from 1. Received: max_pixels={self.max_pixels}")
        if self.channels == RGBA and self.background != "white":
            received = f"channels=4, background={self.background}"
            raise SettingsError(f"Transparent pictures have no background; leave it out. Received: {received}")
        if self.crops > 1 and self.fit != "crop":
            received = f"crops={self.crops}, fit={self.fit}"
            raise SettingsError(f"Several crops need fit=crop. Received: {received}")

    @property
    def stored_channels(self) -> int:
        """Channels of the prepared squares: RGBA if transparency is kept, else RGB, also for grey pictures."""
        return RGBA if self.channels == RGBA else RGB

    def colour(self) -> tuple[int, int, int]:
        """Return the background as RGB, 0 to 255; white if it is blurred."""
        if self.background == BLUR:
            return (255, 255, 255)
        try:
            return ImageColor.getrgb(self.background)[:3]
        except (ValueError, AttributeError, TypeError):
            raise SettingsError(
                f"background must be a colour such as white or #ffeedd, or blur. Received: background={self.background}"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the options as a dict that JSON can hold."""
        return asdict(self)

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        defaults = DEFAULT_PREPARATION.to_dict()
        return {name: value for name, value in self.to_dict().items() if value != defaults[name]}

    @classmethod
    def from_dict(cls, options: dict[str, Any] | None) -> "Preparation":
        """Return the preparation that `to_dict` described.

        A run that is older than an option was prepared as `LEGACY_OPTIONS` say.
        """
        return cls(**{**LEGACY_OPTIONS, **(options or {})})


LEGACY_OPTIONS = {"frames": "first", "focus": "centre", "channels": RGB}
"""Values of options that did not exist in the first versions."""

DEFAULT_PREPARATION = Preparation()
"""The preparation with all options at their defaults."""
