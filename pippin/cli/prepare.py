"""How pictures are made alike, as options of the verbs that do it; and the verb that says what that comes to."""

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import pippin
from pippin.cli.arguments import Source
from pippin.cli.console import console_reporter
from pippin.errors import SettingsError

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


def preparation(
    background: Annotated[
        str, typer.Option(help="Behind transparent pictures and in padding: a colour, or blur.")
    ] = "white",
    fit: Annotated[Fitting, typer.Option(help="How a picture becomes a square.")] = Fitting.crop,
    focus: Annotated[
        Focus, typer.Option(help="Where the square is: where most is to be seen, or the centre.")
    ] = Focus.auto,
    keep_borders: Annotated[bool, typer.Option("--keep-borders", help="Keep padding bars around pictures.")] = False,
    crops: Annotated[int, typer.Option(help="Squares to take of a wide or high picture, at most.")] = 1,
    frames: Annotated[
        str, typer.Option(help="Frames of animations and videos: first, all, a number, or auto.")
    ] = "auto",
    duplicates: Annotated[
        Copies, typer.Option(help="Copies to leave out: exact ones, near ones as well, or none.")
    ] = Copies.exact,
    channels: Annotated[
        Channels, typer.Option(help="1: grey, 3: RGB, 4: transparent; 1 or 3 by what the pictures are.")
    ] = Channels.auto,
    transparent: Annotated[
        bool, typer.Option("--transparent", help="Learn transparency, too: the same as --channels 4.")
    ] = False,
    labels: Annotated[
        Labelling, typer.Option(help="Learn kinds of pictures apart, one for each folder in SOURCE.")
    ] = Labelling.none,
) -> "Preparation":
    """Gather the options of a preparation."""
    if transparent and channels not in (Channels.auto, Channels.rgba):
        raise SettingsError(f"--transparent means --channels 4. Received: --channels {channels.value}")
    chosen = Channels.rgba if transparent else channels
    return pippin.Preparation(
        background=background,
        fit=fit.value,
        keep_borders=keep_borders,
        crops=crops,
        duplicates=duplicates.value,
        frames=frames,
        focus=focus.value,
        channels=None if chosen is Channels.auto else int(chosen.value),
        labels=labels.value,
    )


def prepares(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a preparation; it gets them as one argument, `options`."""
    own = [each for name, each in inspect.signature(verb).parameters.items() if name != "options"]
    shared = inspect.signature(preparation).parameters

    @functools.wraps(verb)
    def with_options(**given: Any) -> None:
        verb(**{each.name: given[each.name] for each in own}, options=preparation(**{n: given[n] for n in shared}))

    by_name = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    with_options.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    with_options.__annotations__ = {each.name: each.annotation for each in by_name}
    return with_options


@prepares
def audit(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256.")] = 64,
    report: Annotated[Path | None, typer.Option(help="Write a page with all of it, such as audit.html.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not look for pictures that do not belong.")] = False,
    *,
    options: Any,
) -> None:
    """Say what becomes of every file in SOURCE and why, which pictures are alike, and which do not belong."""
    with console_reporter() as reporter:
        found = pippin.audit(
            source,
            image_size=image_size,
            preparation=options,
            outliers=not quick,
            progress=reporter.on_prepare_progress,
        )
    print("\n".join(found.lines()))
    if report is not None:
        from pippin.auditing import write_page

        print(f"The report: {write_page(found, report)}")


@prepares
def prepare(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256.")] = 64,
    shard: Annotated[
        str | None, typer.Option(help="Only this part, such as 2/4; other machines do the others.")
    ] = None,
    *,
    options: Any,
) -> None:
    """Prepare SOURCE for training, as `pippin train` does by itself; in parts on several machines with --shard."""
    from pippin import pictures

    with console_reporter() as reporter:
        dataset = pictures.prepare(
            source, image_size, progress=reporter.on_prepare_progress, preparation=options, shard=shard
        )
    if shard is None:
        print(dataset.summary())
    else:
        print(f"Shard {shard}: {len(dataset.audit.entries):,} of the {dataset.audit.noun}s are prepared")
        print("When all shards are, with the same cache folder: the same command without --shard")
