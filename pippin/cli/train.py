"""The verbs that plan and train: `plan` and `train`."""

import os
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import pippin
from pippin.cli.arguments import Source, setting_rows
from pippin.cli.console import console_reporter, format_duration
from pippin.cli.prepare import with_preparation
from pippin.cli.printing import discard_unwritten_output, print_error, print_line, print_table
from pippin.errors import PippinError, SettingsError, TrainingError
from pippin.host.interrupts import SavedInterrupt

if TYPE_CHECKING:
    from pippin.session.plan import Plan


class Preset(StrEnum):
    """The presets of networks and training recipes."""

    standard = "standard"
    classic = "classic"


class ChangedPictures(StrEnum):
    """What is done if the pictures differ from those that a run was begun with."""

    stop = "stop"
    prepared = "prepared"
    new = "new"


ImageSize = Annotated[
    int | None,
    typer.Option(
        help="Side of the images in pixels: 16, 32, 64, 128, 256 or 512. Default: 64, or less for small pictures."
    ),
]
PresetName = Annotated[Preset, typer.Option("--preset", help="Networks and training recipe.")]
Batches = Annotated[int | None, typer.Option(help="Number of batches to train. Default: 5,000.")]
Minutes = Annotated[
    float | None, typer.Option(help="Minutes to train, instead of a number of batches. Compiling does not count.")
]
Seed = Annotated[int | None, typer.Option(help="Random seed, from 0. Default: 0.")]
BatchSize = Annotated[
    int | None, typer.Option(help="Real images per batch, from 2. Default: chosen for the preset and the free memory.")
]
From = Annotated[
    Path | None,
    typer.Option("--from", help="Start from the layers of this run, whose images must not be larger.", metavar="RUN"),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Any other setting; `pippin plan` lists them. Can be given several times.", metavar="NAME=VALUE"
    ),
]


@with_preparation
def plan(
    source: Source,
    image_size: ImageSize = None,
    preset: PresetName = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    override: Overrides = None,
    *,
    options: Any,
) -> None:
    """Print the settings that `pippin train` would use for SOURCE, their reasons, and the memory and time it needs."""
    with console_reporter() as reporter:
        made = pippin.plan(
            source,
            preset=preset.value,
            preparation=options,
            progress=reporter.on_prepare_progress,
            **_given_settings(
                override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size
            ),
        )
        reporter.on_prepare_end(made.dataset)
    print_table(setting_rows(made.settings, made.choice.reasons))
    for line in chain(_expectations(made), _existing_run(made)):  # an error follows the lines before it
        print_line(line)


@with_preparation
def train(
    source: Source,
    image_size: ImageSize = None,
    preset: PresetName = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run. Default: runs/NAME-SIZE-PRESET.")] = None,
    from_run: From = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    changed_pictures: Annotated[
        ChangedPictures,
        typer.Option(
            help="If the pictures have changed since the run was begun: stop, resume with the prepared ones, or "
            "continue with the new ones."
        ),
    ] = ChangedPictures.stop,
    override: Overrides = None,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster", help="Train with the other processes that SLURM, Kubernetes or Open MPI started (JAX only)."
        ),
    ] = False,
    coordinator: Annotated[
        str | None, typer.Option(help="Address of the first process, if nothing announces it.", metavar="HOST:PORT")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Number of processes, with --coordinator.")] = None,
    process: Annotated[int | None, typer.Option(help="Number of this process, from 0, with --coordinator.")] = None,
    *,
    options: Any,
) -> None:
    """Train a generator on the pictures of SOURCE. The same command resumes an interrupted run.

    With a larger number of batches or minutes, it trains a finished run for longer.
    """
    given = _given_settings(
        override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size
    )
    given["preparation"], given["changed_pictures"] = options, changed_pictures.value
    if cluster or coordinator or processes is not None or process is not None:
        _join(coordinator, processes, process)
    with console_reporter() as reporter:
        try:
            pippin.train(source, run, preset=preset.value, from_run=from_run, reporter=reporter, **given)
        except KeyboardInterrupt as interrupt:
            reporter.print_interrupted(saved=isinstance(interrupt, SavedInterrupt))
            raise typer.Exit(130) from None
        except TrainingError as problem:
            _end_without_the_others(problem)
            raise


def _join(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Connect this process with the others; see `pippin.engines.cluster`."""
    from pippin.engines.cluster import Cluster, describe, join

    join(Cluster(coordinator, processes, process))
    print_line(f"This is {describe()}")


def _end_without_the_others(problem: TrainingError) -> None:
    """End this process at once if it trains with others: JAX would wait for those that may have been lost."""
    from pippin.engines.cluster import process_count

    if process_count() > 1:
        print_error(str(problem))
        discard_unwritten_output()
        os._exit(2)


def _given_settings(override: list[str] | None, **options: Any) -> dict[str, Any]:
    """Return the given settings: those of the options that were used, and of `--set NAME=VALUE`.

    Raises:
        SettingsError: a setting of `--set` is unknown or has an option of its own, or options contradict each other.
    """
    from pippin.settings import parse

    if options["batches"] is not None and options["minutes"] is not None:
        received = f"batches={options['batches']}, minutes={options['minutes']}"
        raise SettingsError(f"Give --batches or --minutes, not both. Received: {received}")
    given = {name: value for name, value in options.items() if value is not None}
    for text in override or []:
        name, value = parse(text)
        if name in {"preset", "from_run", *options}:
            option = name.removesuffix("_run").replace("_", "-")
            raise SettingsError(f"Use --{option} for this setting. Received: --set {text}")
        given[name] = value
    return given


def _expectations(made: "Plan") -> Iterator[str]:
    """Yield lines on the expected memory, speed and time of a plan.

    Raises:
        SettingsError: training does not fit into the free memory.
    """
    from pippin import engines
    from pippin.engines.compile_time import compile_time
    from pippin.session import memory
    from pippin.session.hardware import engine_advice, find_hardware

    engine, settings = engines.current(), made.settings
    training_set, held_out = made.dataset.split(settings.held_out)
    yield f"{len(training_set):,} training images, {len(held_out):,} held out for validation"
    if engine.device() == "CPU":
        free = memory.free_memory()
        need, share = memory.format_gib(made.memory), made.memory / max(free, 1)
        yield f"Memory: about {need} at its peak, {share:.0%} of the free {memory.format_gib(free)}"
        made.check_memory()
    compiled = compile_time.seconds
    speed = made.measure_speed()
    compiled = compile_time.seconds - compiled
    yield f"Speed:  about {speed:.0f} images/s with {engine.name} on {engine.device()}, measured over a few batches"
    if advice := engine_advice(engine.name, find_hardware()):
        yield f"        {advice}"
    if settings.minutes is not None:
        batches = round(60 * settings.minutes * speed / settings.batch_size)
        passes = batches * settings.batch_size / len(training_set)
        yield f"Time:   about {batches:,} batches in {settings.minutes:g} minutes, {passes:,.0f} epochs"
        yield f"        The minutes do not count compiling, which took {format_duration(compiled)}"
    else:
        seconds = (settings.batches or 0) * settings.batch_size / speed
        yield f"Time:   about {format_duration(seconds)} for {settings.batches:,} batches"


def _existing_run(made: "Plan") -> Iterator[str]:
    """Yield a line on what `pippin train` would do with the run in the default folder, if there is one."""
    from pippin.runs.run import is_run, open_run
    from pippin.session.resume import changed_length, resumed_plan
    from pippin.session.train import default_path

    path = default_path(made.dataset, made.settings)
    if not is_run(path):
        return
    try:
        run = open_run(path)
        changed = changed_length(run, resumed_plan(run, made).choice)
        state = "finished" if run.finished else "not finished"
        yield f"Run:    {path} has trained {run.batches:,} batches and is {state}. {changed or ''}".rstrip()
    except PippinError as problem:
        yield f"Run:    {problem}"
