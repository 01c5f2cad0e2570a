"""How pictures are made alike: the options of a preparation, in one place."""

from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import ImageColor

from pippin.errors import SettingsError
from pippin.pictures.channels import GREY, RGB, RGBA
from pippin.pictures.labels import FOLDERS

FITS = ("crop", "pad", "squash")
FOCI = ("auto", "centre")
FRAMES = ("auto", "first", "all")
DUPLICATES = ("keep", "exact", "near")
LABELS = ("none", FOLDERS)
BLUR = "blur"
MOST_CROPS = 16


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Preparation:
    """How pictures of any shape and kind become squares of one size. A dataset and a run keep it.

    Args:
        background: What transparent pictures are laid over and padding is filled with: the name of a colour as in
            CSS, `#rrggbb`, or `"blur"`, the picture's own colours, blurred.
        fit: `"crop"` takes the middle square, `"pad"` keeps all and fills up to a square, `"squash"` changes the
            proportions.
        keep_borders: Whether padding bars around a picture stay.
        crops: With `fit="crop"`, squares that are taken of a wide or high picture at the most, 1 to 16: as many as
            overlap by no more than half.
        duplicates: `"exact"` leaves out all but one of pictures that are the same when prepared, `"near"` those that
            only look the same, too, `"keep"` leaves out none.
        frames: What is taken of files that move: `"first"`, `"all"` (a thousand a file at the most), how many, evenly
            spread, or `"auto"`: the first frame of an animation and 24 of a video. For files that are not in an
            archive.
        focus: With `fit="crop"`, where one square of a wide or high picture is taken: `"auto"` where most is to be
            seen, if that is clearly not the middle; `"centre"` in the middle.
        channels: 1: grey, 3: RGB, 4: RGBA, so that transparency is learnt, too; None: 1 where all pictures are grey,
            and 3 otherwise.
        labels: `"folders"` takes the folders that pictures lie in for their labels, `"none"` learns them all alike.

    Raises:
        SettingsError: If an option is none of these.
    """

    background: str = _option("white", "Behind transparent pictures and in padding: white, black, a colour, or blur.")
    fit: str = _option("crop", "How a picture becomes a square: crop, pad or squash.")
    keep_borders: bool = _option(False, "Keep padding bars around pictures.")
    crops: int = _option(1, "Squares to take of a wide or high picture, at most.")
    duplicates: str = _option("exact", "Which copies to leave out: exact, near (these as well), or keep them all.")
    frames: str = _option("auto", "Frames of animations and videos: first, all, a number, or auto.")
    focus: str = _option("auto", "Where the square is: auto (where most is to be seen) or centre.")
    channels: int | None = _option(None, "1 (grey), 3 (RGB) or 4 (transparent); 1 or 3 by what the pictures are.")
    labels: str = _option("none", "Where labels come from: folders, one for each kind, or none.")

    def __post_init__(self) -> None:
        for name, known in (("fit", FITS), ("focus", FOCI), ("duplicates", DUPLICATES), ("labels", LABELS)):
            value = getattr(self, name)
            if value not in known:
                raise SettingsError(f"{name} must be one of {', '.join(known)}. Received: {name}={value}")
        if self.background != BLUR:
            self.colour()
        frames = str(self.frames)
        if frames not in FRAMES and not (frames.isdecimal() and int(frames) > 0):
            raise SettingsError(f"frames must be {', '.join(FRAMES)}, or a number from 1. Received: frames={frames}")
        object.__setattr__(self, "frames", frames)
        if isinstance(self.crops, bool) or not isinstance(self.crops, int) or not 1 <= self.crops <= MOST_CROPS:
            raise SettingsError(f"crops must be a whole number from 1 to {MOST_CROPS}. Received: crops={self.crops}")
        if self.channels not in (None, GREY, RGB, RGBA) or isinstance(self.channels, bool):
            raise SettingsError(f"channels must be 1 (grey), 3 (RGB) or 4 (RGBA). Received: channels={self.channels}")
        if self.channels == RGBA and self.background != "white":
            received = f"channels=4, background={self.background}"
            raise SettingsError(f"Transparent pictures have no background; leave it out. Received: {received}")
        if self.crops > 1 and self.fit != "crop":
            received = f"crops={self.crops}, fit={self.fit}"
            raise SettingsError(f"Several crops need fit=crop. Received: {received}")

    @property
    def stored_channels(self) -> int:
        """Of the squares that are made: RGB, or RGBA. Grey ones are three times the same."""
        return RGBA if self.channels == RGBA else RGB

    def colour(self) -> tuple[int, int, int]:
        """Returns the background as RGB, 0 to 255; white where it is blurred."""
        if self.background == BLUR:
            return (255, 255, 255)
        try:
            return ImageColor.getrgb(self.background)[:3]
        except (ValueError, AttributeError, TypeError):
            raise SettingsError(
                f"background must be a colour such as white or #ffeedd, or blur. Received: background={self.background}"
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as what JSON can hold."""
        return asdict(self)

    def unusual(self) -> dict[str, Any]:
        """Returns the options that somebody asked for, by their names: those that are not the usual ones."""
        usual = DEFAULT_PREPARATION.to_dict()
        return {name: value for name, value in self.to_dict().items() if value != usual[name]}

    @classmethod
    def from_dict(cls, options: dict[str, Any] | None) -> "Preparation":
        """Returns what `to_dict` gave; of runs that were begun before there was an option, what was done then."""
        return cls(**{**LEGACY_OPTIONS, **(options or {})})


LEGACY_OPTIONS = {"frames": "first", "focus": "centre", "channels": RGB}

DEFAULT_PREPARATION = Preparation()
"""What is done if nothing is said."""
