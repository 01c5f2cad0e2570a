"""How pictures are made alike, as options of the verbs that do it; and the verb that says what that comes to."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.narrator import Narrator
from pippin.cli.words import Source

if TYPE_CHECKING:
    from pippin.pictures import Preparation


class Fitting(StrEnum):
    """How a picture becomes a square."""

    crop = "crop"
    pad = "pad"
    squash = "squash"


class Focus(StrEnum):
    """Where the square of a wide or high picture is taken."""

    auto = "auto"
    centre = "centre"


class Copies(StrEnum):
    """Which copies are left out."""

    keep = "keep"
    exact = "exact"
    near = "near"


Background = Annotated[str, typer.Option(help="Behind transparent pictures and in padding: a colour, or blur.")]
Fit = Annotated[Fitting, typer.Option(help="How a picture becomes a square.")]
KeepBorders = Annotated[bool, typer.Option("--keep-borders", help="Keep padding bars around pictures.")]
Crops = Annotated[int, typer.Option(help="Squares to take of a wide or high picture, at most.")]
Duplicates = Annotated[Copies, typer.Option(help="Copies to leave out: exact ones, near ones as well, or none.")]
Frames = Annotated[str, typer.Option(help="Frames of animations and videos: first, all, a number, or auto.")]
Focusing = Annotated[
    Focus, typer.Option("--focus", help="Where the square is: where most is to be seen, or the centre.")
]


def preparation(
    background: str, fit: Fitting, keep_borders: bool, crops: int, duplicates: Copies, frames: str, focus: Focus
) -> "Preparation":
    """Gather the options."""
    return pippin.Preparation(background, fit.value, keep_borders, crops, duplicates.value, frames, focus.value)


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
    frames: Frames = "auto",
    focus: Focusing = Focus.auto,
) -> None:
    """Say what becomes of every file in SOURCE and why, which pictures are alike, and which do not belong."""
    with Narrator.choose() as reporter:
        found = pippin.audit(
            source,
            image_size=image_size,
            preparation=preparation(background, fit, keep_borders, crops, duplicates, frames, focus),
            outliers=not quick,
            progress=reporter.preparing,
        )
    print("\n".join(found.lines()))
    if report is not None:
        from pippin.auditing import write_page

        print(f"The report: {write_page(found, report)}")


def prepare(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256.")] = 64,
    shard: Annotated[
        str | None, typer.Option(help="Only this part, such as 2/4; other machines do the others.")
    ] = None,
    background: Background = "white",
    fit: Fit = Fitting.crop,
    keep_borders: KeepBorders = False,
    crops: Crops = 1,
    duplicates: Duplicates = Copies.exact,
    frames: Frames = "auto",
    focus: Focusing = Focus.auto,
) -> None:
    """Prepare SOURCE for training, as `pippin train` does by itself; in parts on several machines with --shard."""
    from pippin import pictures

    options = preparation(background, fit, keep_borders, crops, duplicates, frames, focus)
    with Narrator.choose() as reporter:
        dataset = pictures.prepare(source, image_size, progress=reporter.preparing, preparation=options, shard=shard)
    if shard is None:
        print(dataset.summary())
    else:
        print(f"Shard {shard}: {len(dataset.audit.entries):,} of the {dataset.audit.noun}s are prepared")
        print("When all shards are, with the same cache folder: the same command without --shard")
