"""How pictures are made alike, as options of the verbs that do it; and the verb that says what that comes to."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.narrator import Narrator
from pippin.cli.words import Source
from pippin.errors import SettingsError

if TYPE_CHECKING:
    from pippin.pictures import Preparation


class Fitting(StrEnum):
    """How a picture becomes a square."""

    crop = "crop"
    pad = "pad"
    squash = "squash"


class Copies(StrEnum):
    """Which copies are left out."""

    keep = "keep"
    exact = "exact"
    near = "near"


class Labelling(StrEnum):
    """Where labels come from."""

    none = "none"
    folders = "folders"


class Channels(StrEnum):
    """What there is of each pixel."""

    auto = "auto"
    grey = "1"
    rgb = "3"
    rgba = "4"


Background = Annotated[str, typer.Option(help="Behind transparent pictures and in padding: a colour, or blur.")]
Fit = Annotated[Fitting, typer.Option(help="How a picture becomes a square.")]
KeepBorders = Annotated[bool, typer.Option("--keep-borders", help="Keep padding bars around pictures.")]
Crops = Annotated[int, typer.Option(help="Squares to take of a wide or high picture, at most.")]
Duplicates = Annotated[Copies, typer.Option(help="Copies to leave out: exact ones, near ones as well, or none.")]
ChannelCount = Annotated[
    Channels, typer.Option("--channels", help="1: grey, 3: RGB, 4: transparent; 1 or 3 by what the pictures are.")
]
Transparent = Annotated[bool, typer.Option("--transparent", help="Learn transparency, too: the same as --channels 4.")]
Labels = Annotated[Labelling, typer.Option(help="Learn kinds of pictures apart, one for each folder in SOURCE.")]


def preparation(
    background: str,
    fit: Fitting,
    keep_borders: bool,
    crops: int,
    duplicates: Copies,
    channels: Channels,
    transparent: bool,
    labels: Labelling,
) -> "Preparation":
    """Gather the options."""
    if transparent and channels not in (Channels.auto, Channels.rgba):
        raise SettingsError(f"--transparent means --channels 4. Received: --channels {channels.value}")
    chosen = Channels.rgba if transparent else channels
    count = None if chosen is Channels.auto else int(chosen.value)
    return pippin.Preparation(background, fit.value, keep_borders, crops, duplicates.value, count, labels.value)


def audit(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256.")] = 64,
    report: Annotated[Path | None, typer.Option(help="Write a page with all of it, such as audit.html.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not look for pictures that do not belong.")] = False,
    background: Background = "white",
    fit: Fit = Fitting.crop,
    keep_borders: KeepBorders = False,
    crops: Crops = 1,
    duplicates: Duplicates = Copies.exact,
    channels: ChannelCount = Channels.auto,
    transparent: Transparent = False,
    labels: Labels = Labelling.none,
) -> None:
    """Say what becomes of every file in SOURCE and why, which pictures are alike, and which do not belong."""
    with Narrator.choose() as reporter:
        found = pippin.audit(
            source,
            image_size=image_size,
            preparation=preparation(background, fit, keep_borders, crops, duplicates, channels, transparent, labels),
            outliers=not quick,
            progress=reporter.preparing,
        )
    print("\n".join(found.lines()))
    if report is not None:
        from pippin.auditing import write_page

        print(f"The report: {write_page(found, report)}")
