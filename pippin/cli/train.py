"""The verbs that learn: `plan` and `train`."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import pippin
from pippin.cli.arguments import Source, explained, table
from pippin.cli.console import console_reporter, format_duration, stdout_console
from pippin.cli.prepare import prepares
from pippin.errors import SettingsError

if TYPE_CHECKING:
    from pippin.session.plan import Plan


class Preset(StrEnum):
    """The networks and recipes there are."""

    standard = "standard"
    classic = "classic"


ImageSize = Annotated[
    int | None, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256; 64 if not said.")
]
Recipe = Annotated[Preset, typer.Option("--preset", help="Networks and recipe.")]
Batches = Annotated[int | None, typer.Option(help="Batches to train for; 5,000 if nothing is said.")]
Minutes = Annotated[float | None, typer.Option(help="Minutes to train for, instead of batches.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random; 0 if not said.")]
BatchSize = Annotated[int | None, typer.Option(help="Pictures a batch; chosen if not said.")]
From = Annotated[
    Path | None,
    typer.Option("--from", help="Start from the layers of this run, of as large or smaller pictures.", metavar="RUN"),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other setting, as NAME=VALUE; `pippin plan` lists them.", metavar="NAME=VALUE"),
]


@prepares
def plan(
    source: Source,
    image_size: ImageSize = None,
    preset: Recipe = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    override: Overrides = None,
    *,
    options: Any,
) -> None:
    """Say what `pippin train` would do with SOURCE and why, how much memory it needs, and how fast it is here."""
    with console_reporter() as reporter:
        made = pippin.plan(
            source,
            preset=preset.value,
            preparation=options,
            progress=reporter.on_prepare_progress,
            **_asked(
                override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size
            ),
        )
        reporter.on_prepare_end(made.dataset)
    stdout_console().print(table(explained(made.settings, made.choice.reasons)))
    for line in _outlook(made):
        print(line, flush=True)


@prepares
def train(
    source: Source,
    image_size: ImageSize = None,
    preset: Recipe = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME-SIZE-PRESET if not said.")] = None,
    from_run: From = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    override: Overrides = None,
    *,
    options: Any,
) -> None:
    """Learn to paint pictures like those of SOURCE. The same command again goes on where the last one stopped."""
    asked = _asked(override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size)
    asked["preparation"] = options
    with console_reporter() as reporter:
        try:
            pippin.train(source, run, preset=preset.value, from_run=from_run, reporter=reporter, **asked)
        except KeyboardInterrupt:
            reporter.print_interrupted()
            raise typer.Exit(130) from None


def _asked(override: list[str] | None, **options: Any) -> dict[str, Any]:
    """Return what was asked for: the options that were given, and `--set NAME=VALUE`."""
    from pippin.settings import parse

    if options["batches"] is not None and options["minutes"] is not None:
        received = f"batches={options['batches']}, minutes={options['minutes']}"
        raise SettingsError(f"Give --batches or --minutes, not both. Received: {received}")
    given = {name: value for name, value in options.items() if value is not None}
    for text in override or []:
        name, value = parse(text)
        if name in {"preset", "from_run", *options}:
            option = name.removesuffix("_run").replace("_", "-")
            raise SettingsError(f"Give this one as --{option}. Received: --set {text}")
        given[name] = value
    return given


def _outlook(made: "Plan") -> Iterator[str]:
    """Yield what the machine says to a plan: memory, speed and time. Raises where it does not fit."""
    from pippin import engines
    from pippin.session import memory

    engine, settings = engines.current(), made.settings
    learnt, held_out = made.dataset.split(settings.held_out)
    yield f"{len(learnt):,} pictures to learn from, {len(held_out):,} held out to judge by"
    if engine.device() == "CPU":
        free = memory.free_memory()
        need, share = memory.format_gib(made.memory), made.memory / max(free, 1)
        yield f"Memory: about {need} at its peak, {share:.0%} of the free {memory.format_gib(free)}"
        made.check_memory()
    speed = made.measure_speed()
    yield f"Speed:  about {speed:.0f} images/s with {engine.name} on {engine.device()}, as a few batches just showed"
    if settings.minutes is not None:
        batches = round(60 * settings.minutes * speed / settings.batch_size)
        passes = batches * settings.batch_size / len(learnt)
        yield f"Time:   about {batches:,} batches in {settings.minutes:g} minutes, {passes:,.0f} times all pictures"
    else:
        seconds = (settings.batches or 0) * settings.batch_size / speed
        yield f"Time:   about {format_duration(seconds)} for {settings.batches:,} batches"
