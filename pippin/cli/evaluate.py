"""The verbs that evaluate and describe a run: `evaluate`, `nearest`, `report` and `info`."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder, setting_rows
from pippin.cli.console import console_reporter, format_losses, format_training_time
from pippin.cli.printing import print_line, print_lines, print_table
from pippin.cli.repeat import training_command
from pippin.cli.sample import Edit, From, Truncation, edited_provenance
from pippin.errors import SettingsError, SourceError
from pippin.host.own_files import is_own_file
from pippin.settings import SCORING_NETWORK

if TYPE_CHECKING:
    import numpy as np

    from pippin.runs.run import Run


class Network(StrEnum):
    """The feature networks for scores."""

    efficientnet_lite0 = "efficientnet-lite0"
    efficientnet_lite1 = "efficientnet-lite1"
    inception = "inception"


DEFAULT_NETWORK = Network(SCORING_NETWORK)


def evaluate(
    subject: Annotated[str, typer.Argument(help="A run, or a source of pictures.", metavar="RUN|SOURCE")],
    against: Annotated[str | None, typer.Option(help="Source of real pictures. Default: the source of RUN.")] = None,
    n: Annotated[int, typer.Option("-n", "--number", help="Number of pictures that RUN generates.")] = 2048,
    features: Annotated[
        Network,
        typer.Option(help="Network whose features are compared. The discriminator uses efficientnet-lite0."),
    ] = DEFAULT_NETWORK,
    image_size: Annotated[
        int | None, typer.Option(help="Side in pixels at which two sources are compared. Default: 64.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first generated picture.")] = 0,
) -> None:
    """Score the pictures of RUN or SOURCE against real ones, and test whether RUN memorises training images."""
    found = pippin.evaluate(subject, against, n=n, features=features.value, image_size=image_size, seed=seed)
    print_lines(found.lines())
    if found.pairs is not None:
        print_line(f"Nearest pairs: {Path(subject) / 'nearest.png'}")


def nearest(
    run: RunFolder,
    seed: Annotated[int | None, typer.Option(help="Seed of the generated picture. Default: 0.")] = None,
    truncation: Truncation = 1.0,
    start: Annotated[Path | None, From] = None,
    edit: Annotated[list[str] | None, Edit] = None,
    label: Annotated[str | None, typer.Option(help="Label of the picture, for a run with labels.")] = None,
    n: Annotated[int, typer.Option("-n", "--number", help="Number of training pictures, 1 to 64.")] = 8,
    output: Annotated[Path, typer.Option("-o", "--output", help="File for the pictures: PNG, JPEG or WebP.")] = Path(
        "nearest.png"
    ),
) -> None:
    """Show the training pictures that are nearest to a picture of RUN, and say whether it is very near to one."""
    from pippin.sampling.edits import parse_edits
    from pippin.show import NOTE_SUFFIXES, check_suffix, save_picture

    edits = parse_edits(edit or [])
    if start is not None and (seed is not None or truncation != 1 or label is not None):
        raise SettingsError(f"--from can only be combined with --edit, -n and -o. Received: --from {start}")
    check_suffix(output, NOTE_SUFFIXES)
    opened = pippin.open_run(run)
    from pippin.runs.nearest import nearest_training_images

    title = f"seed {seed or 0}" if start is None else "generated"
    inputs = opened.latents([seed or 0], truncation, edits, label) if start is None else _inputs(opened, start, edits)
    with console_reporter() as reporter:
        progress = reporter.progress("comparing")
        found = nearest_training_images(opened, inputs[0], n, progress=progress)
    save_picture(found.sheet(title), output)
    print_lines(found.lines())
    print_line(f"Pictures: {output}")


def _inputs(run: "Run", picture: Path, edits: dict[str, float]) -> "np.ndarray":
    """Return the generator's input for the one image in a picture file, edited: float32 (1, latent_dim)."""
    inputs = edited_provenance(run, picture, edits, "give a --seed instead").generator_inputs(run)
    if len(inputs) != 1:
        raise SettingsError(
            f"--from takes a picture with one image; give a --seed instead. Received: {len(inputs)} images in {picture}"
        )
    return inputs


def report(run: RunFolder) -> None:
    """Write RUN's report.html: pictures, curves, scores, nearest training images, and settings with reasons."""
    from pippin.runs.report import EventLog, write_page

    opened = pippin.open_run(run)
    if (opened.evaluation() or {}).get("batches") != opened.batches:
        try:
            pippin.evaluate(opened)
        except (SettingsError, SourceError) as problem:
            print_line(f"Not evaluated: {problem}")
    EventLog(opened).close()
    print_line(f"The report:      {write_page(opened)}")
    print_line(f"For TensorBoard: tensorboard --logdir {run}")


def info(run: RunFolder) -> None:
    """Print a summary of RUN: its training set, settings, progress and files."""
    opened = pippin.open_run(run)
    print_table(_summary(opened))


def _summary(run: "Run") -> Iterator[tuple[str, str]]:
    """Yield the rows of a run's summary: name and text."""
    settings, about = run.settings, run.about
    goal = f"{settings.batches:,} batches" if settings.batches else f"{settings.minutes:g} minutes"
    yield "run", str(run.path)
    size = f"{settings.image_size}×{settings.image_size}" + {1: ", grey", 4: ", transparent"}.get(run.channels, "")
    size = f"{about['held_out']:,} held out, {size}" if about["held_out"] else size
    yield "source", f"{about['source']} ({about['pictures']:,} pictures, {size})"
    if "start" in about:
        yield "start", about["start"]
    if run.labels:
        yield "labels", ", ".join(run.labels)
    state = "finished" if run.finished else "not finished; the same command resumes it"
    duration = format_training_time(run.seconds, run.compile_seconds)
    yield "trained", f"{run.batches:,} batches in {duration}, of {goal} ({state})"
    if run.best:
        yield "best", f"batch {run.best[0]:,} (KID {run.best[1]:.4f}), used by `pippin sample`"
    last = next((entry for entry in reversed(run.log()) if "g_loss" in entry), None)
    if last:
        yield "last losses", f"{format_losses(last)}, {last['images_per_second']:.0f} images/s"
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    yield "made with", f"{about['engine']} on {about['machine']} ({versions})"
    yield "pictures", f"fingerprint {about['fingerprint']}"
    yield "repeat with", training_command(run)
    for name, value, reason in setting_rows(settings, about["reasons"]):
        yield name, value + (f"  ({reason})" if reason else "")
    for name in ("timeline.png", "latest.png", "generator.keras", "log.jsonl", "checkups.jsonl", "pictures.json"):
        if is_own_file(run.path / name):
            yield "files" if name == "timeline.png" else "", str(run.path / name)
