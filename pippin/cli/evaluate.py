"""The verbs that say how good a run is and what is in it: `evaluate`, `report` and `info`."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import pippin
from pippin.cli.arguments import RunFolder, explained, table
from pippin.cli.console import format_duration, format_losses, stdout_console
from pippin.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from pippin.runs.run import Run


class Network(StrEnum):
    """Whose features scores compare."""

    efficientnet_lite0 = "efficientnet-lite0"
    efficientnet_lite1 = "efficientnet-lite1"
    inception = "inception"


def evaluate(
    subject: Annotated[str, typer.Argument(help="A run, or a source of pictures.", metavar="RUN|SOURCE")],
    against: Annotated[str | None, typer.Option(help="Source of real pictures; what a RUN learnt from.")] = None,
    n: Annotated[int, typer.Option("-n", "--number", help="How many pictures a RUN paints for it.")] = 2048,
    features: Annotated[Network, typer.Option(help="What looks at them.")] = Network.efficientnet_lite0,
    image_size: Annotated[int | None, typer.Option(help="Side at which two sources are compared; 64.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed paints the same pictures.")] = 0,
) -> None:
    """Score the pictures of RUN or SOURCE against real ones, and say whether RUN knows its pictures by heart."""
    found = pippin.evaluate(subject, against, n=n, features=features.value, image_size=image_size, seed=seed)
    print("\n".join(found.lines()))
    if found.pairs is not None:
        print(f"The nearest pairs: {Path(subject) / 'nearest.png'}")


def report(run: RunFolder) -> None:
    """Write RUN's report.html: pictures, curves, scores, nearest photographs, and the settings with their reasons."""
    from pippin.runs.report import EventLog, write_page

    opened = pippin.open_run(run)
    if (opened.evaluation() or {}).get("batches") != opened.batches:
        try:
            pippin.evaluate(opened)
        except (SettingsError, SourceError) as problem:
            print(f"Not scored: {problem}")
    EventLog(opened).close()
    print(f"The report:      {write_page(opened)}")
    print(f"For TensorBoard: tensorboard --logdir {run}")


def info(run: RunFolder) -> None:
    """Tell what is in RUN: what it learnt from, how it was made, how far it is, and what to look at."""
    opened = pippin.open_run(run)
    stdout_console().print(table(_facts(opened)))


def _facts(run: "Run") -> Iterator[tuple[str, str]]:
    settings, about = run.settings, run.about
    goal = f"{settings.batches:,} batches" if settings.batches else f"{settings.minutes:g} minutes"
    yield "run", str(run.path)
    pictures = f"{about['pictures']:,} pictures" + (f", {about['held_out']:,} held out" if about["held_out"] else "")
    kind = {1: ", grey", 4: ", transparent"}.get(run.channels, "")
    yield "source", f"{about['source']} ({pictures}, {settings.image_size}×{settings.image_size}{kind})"
    if "start" in about:
        yield "start", about["start"]
    if run.labels:
        yield "labels", ", ".join(run.labels)
    state = "finished" if run.finished else "not finished; the same command goes on"
    yield "trained", f"{run.batches:,} batches in {format_duration(run.seconds)}, of {goal} ({state})"
    if run.best:
        yield "best", f"batch {run.best[0]:,} (KID {run.best[1]:.4f}), which is what `pippin sample` paints with"
    last = next((entry for entry in reversed(run.log()) if "g_loss" in entry), None)
    if last:
        yield "last losses", f"{format_losses(last)}, {last['images_per_second']:.0f} images/s"
    yield "made with", f"{about['engine']} on {about['machine']}, Keras {about['versions']['keras']}"
    for name, value, reason in explained(settings, about["reasons"]):
        yield name, value + (f"  ({reason})" if reason else "")
    for name in ("timeline.png", "latest.png", "generator.keras", "log.jsonl", "checkups.jsonl", "pictures.json"):
        if (run.path / name).exists():
            yield "look at" if name == "timeline.png" else "", str(run.path / name)
