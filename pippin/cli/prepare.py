"""The options of a preparation, which several commands share, and the commands `audit` and `prepare`."""

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import pippin
from pippin.cli.arguments import Source, one_source
from pippin.cli.console import console_reporter
from pippin.cli.printing import print_line, print_lines
from pippin.errors import SettingsError
from pippin.host.limits import PIXEL_LIMIT

if TYPE_CHECKING:
    from pippin.pictures import Preparation


class Fitting(StrEnum):
    """How a picture becomes a square."""

    crop = "crop"
    pad = "pad"
    squash = "squash"


class Focus(StrEnum):
    """The position of the square in a wide or high picture."""

    auto = "auto"
    centre = "centre"


class Copies(StrEnum):
    """The copies that are left out."""

    keep = "keep"
    exact = "exact"
    near = "near"


class Bits(StrEnum):
    """The number of bits of values in files of more than 8 bits."""

    auto = "auto"
    eight = "8"
    ten = "10"
    twelve = "12"
    fourteen = "14"
    sixteen = "16"


class Channels(StrEnum):
    """The channels of the images."""

    auto = "auto"
    grey = "1"
    rgb = "3"
    rgba = "4"


def preparation(
    background: Annotated[
        str, typer.Option(help="Background of transparent pictures and of padding: a colour, or blur.")
    ] = "white",
    fit: Annotated[Fitting, typer.Option(help="How a picture becomes a square.")] = Fitting.crop,
    focus: Annotated[
        Focus, typer.Option(help="Position of the square: where most of the content is, or the centre.")
    ] = Focus.auto,
    keep_borders: Annotated[bool, typer.Option("--keep-borders", help="Keep padding bars around pictures.")] = False,
    crops: Annotated[int, typer.Option(help="Largest number of squares from a wide or high picture.")] = 1,
    frames: Annotated[
        str, typer.Option(help="Frames of animations and videos: first, all, a number, or auto.")
    ] = "auto",
    duplicates: Annotated[
        Copies, typer.Option(help="Copies to leave out: exact, near (with the exact ones), or keep for none.")
    ] = Copies.exact,
    channels: Annotated[
        Channels, typer.Option(help="1: grey, 3: RGB, 4: RGBA, auto: 1 if all pictures are grey, else 3.")
    ] = Channels.auto,
    transparent: Annotated[
        bool, typer.Option("--transparent", help="Keep transparency: the same as --channels 4.")
    ] = False,
    bits: Annotated[
        Bits, typer.Option(help="Bits of values in 16-bit files; auto: the fewest that hold the highest of the set.")
    ] = Bits.auto,
    max_pixels: Annotated[
        int, typer.Option(help="Largest number of pixels of a picture, for large scans.")
    ] = PIXEL_LIMIT,
    labels: Annotated[
        str,
        typer.Option(
            help="Labels: none, folders (those in SOURCE), or a column of metadata.csv, metadata.jsonl, dataset.json "
            "or parquet files."
        ),
    ] = "none",
) -> "Preparation":
    """Return the preparation that the options describe."""
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
        bits=None if bits is Bits.auto else int(bits.value),
        max_pixels=max_pixels,
        labels=labels,
    )


def with_preparation(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a preparation to a command, which gets them as one argument, `options`."""
    own = [parameter for name, parameter in inspect.signature(command).parameters.items() if name != "options"]
    shared = inspect.signature(preparation).parameters

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        options = preparation(**{name: given[name] for name in shared})
        given["source"] = one_source(given["source"])
        command(**{parameter.name: given[parameter.name] for parameter in own}, options=options)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    parameters[0] = parameters[0].replace(annotation=_several(parameters[0].annotation))
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _several(annotation: Any) -> Any:
    """Return the annotation of an argument that takes several names, with the help of one that takes one."""
    argument = annotation.__metadata__[0]
    return Annotated[list[str], typer.Argument(help=argument.help, metavar="SOURCE")]


@with_preparation
def audit(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128, 256 or 512.")] = 64,
    report: Annotated[Path | None, typer.Option(help="Write a page with all results, such as audit.html.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not search for outliers.")] = False,
    *,
    options: Any,
) -> None:
    """Show the status of every file in SOURCE, with reasons, and list duplicates and outliers."""
    with console_reporter() as reporter:
        inspection = pippin.audit(
            source,
            image_size=image_size,
            preparation=options,
            outliers=not quick,
            progress=reporter.on_prepare_progress,
        )
    print_lines(inspection.lines())
    if report is not None:
        from pippin.auditing import write_page

        print_line(f"The report: {write_page(inspection, report)}")


@with_preparation
def prepare(
    source: Source,
    image_size: Annotated[int, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128, 256 or 512.")] = 64,
    shard: Annotated[
        str | None, typer.Option(help="Prepare only this part, such as 2/4; other machines prepare the others.")
    ] = None,
    *,
    options: Any,
) -> None:
    """Prepare SOURCE for training, as `pippin train` does; with --shard, a part of it on each of several machines."""
    from pippin import pictures
    from pippin.pictures.entries import plural

    with console_reporter() as reporter:
        dataset = pictures.prepare(
            source, image_size, progress=reporter.on_prepare_progress, preparation=options, shard=shard
        )
    if shard is None:
        print_lines(dataset.summary().split("\n"))
    else:
        print_line(f"Shard {shard}: {plural(len(dataset.audit.entries), dataset.audit.noun)} prepared")
        print_line("When all shards are prepared in the same cache folder, run the command without --shard")
