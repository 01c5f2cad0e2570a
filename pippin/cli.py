"""The command line: verbs that parse, call, and print."""

import contextlib
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

import pippin
from pippin.errors import PippinError, SettingsError, SourceError

if TYPE_CHECKING:
    from pippin.pictures import Dataset
    from pippin.planning import Plan
    from pippin.run import Run
    from pippin.settings import Settings
    from pippin.training.trainer import Tick

app = typer.Typer(
    help="Point it at a folder of pictures, and it learns to paint new ones like them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Preset(StrEnum):
    """The networks and recipes there are."""

    standard = "standard"
    classic = "classic"


class Network(StrEnum):
    """Whose features scores compare."""

    efficientnet_lite0 = "efficientnet-lite0"
    efficientnet_lite1 = "efficientnet-lite1"
    inception = "inception"


class Theme(StrEnum):
    """Whether a diagram is dark on light, or light on dark."""

    auto = "auto"
    light = "light"
    dark = "dark"


class Format(StrEnum):
    """What a generator can be taken away as."""

    keras = "keras"
    onnx = "onnx"
    web = "web"
    huggingface = "huggingface"
    tflite = "tflite"


_TAKEN = {
    Format.keras: "For plain Keras 3",
    Format.onnx: "For ONNX Runtime",
    Format.web: "Open in a browser",
    Format.huggingface: "A model repository",
    Format.tflite: "For LiteRT",
}


Source = Annotated[str, typer.Argument(help="A folder of pictures, an .npy or .npz file, or 'apples' (built in).")]
GRID = Path("grid.png")
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")]


ImageSize = Annotated[
    int | None, typer.Option(help="Side of the pictures in pixels: 16, 32, 64, 128 or 256; 64 if not said.")
]
Recipe = Annotated[Preset, typer.Option("--preset", help="Networks and recipe.")]
Batches = Annotated[int | None, typer.Option(help="Batches to train for; 5,000 if nothing is said.")]
Minutes = Annotated[float | None, typer.Option(help="Minutes to train for, instead of batches.")]
Seed = Annotated[int | None, typer.Option(help="Seed of everything random; 0 if not said.")]
BatchSize = Annotated[int | None, typer.Option(help="Pictures a batch; chosen if not said.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any other setting, as NAME=VALUE; `pippin plan` lists them.", metavar="NAME=VALUE"),
]


@app.command()
def plan(
    source: Source,
    image_size: ImageSize = None,
    preset: Recipe = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    override: Overrides = None,
) -> None:
    """Say what `pippin train` would do with SOURCE and why, how much memory it needs, and how fast it is here."""
    with Narrator.choose() as reporter:
        made = pippin.plan(
            source,
            preset=preset.value,
            progress=reporter.preparing,
            **_asked(
                override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size
            ),
        )
        reporter.prepared(made.dataset)
    console().print(_table(_explained(made.settings, made.choice.reasons)))
    for line in _outlook(made):
        print(line, flush=True)


@app.command()
def train(
    source: Source,
    image_size: ImageSize = None,
    preset: Recipe = Preset.standard,
    batches: Batches = None,
    minutes: Minutes = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run; runs/NAME-SIZE-PRESET if not said.")] = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    override: Overrides = None,
) -> None:
    """Learn to paint pictures like those of SOURCE. The same command again goes on where the last one stopped."""
    asked = _asked(override, image_size=image_size, batches=batches, minutes=minutes, seed=seed, batch_size=batch_size)
    with Narrator.choose() as reporter:
        try:
            pippin.train(source, run, preset=preset.value, reporter=reporter, **asked)
        except KeyboardInterrupt:
            reporter.stopped()
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
        if name in {"preset", *options}:
            raise SettingsError(f"Give this one as --{name.replace('_', '-')}. Received: --set {text}")
        given[name] = value
    return given


def _explained(settings: "Settings", reasons: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each setting that is in force: its name, its value and the reason for it."""
    for name, value in settings.to_dict().items():
        if value is not None:
            yield name, f"{value:,}" if isinstance(value, int) and value >= 1000 else f"{value}", reasons.get(name, "")


def _outlook(made: "Plan") -> Iterator[str]:
    """Yield what the machine says to a plan: memory, speed and time. Raises where it does not fit."""
    from pippin import engines, memory

    engine, settings = engines.current(), made.settings
    learnt, held_out = made.dataset.split(settings.held_out)
    yield f"{len(learnt):,} pictures to learn from, {len(held_out):,} held out to judge by"
    if engine.device() == "CPU":
        free = memory.free()
        share = made.memory / max(free, 1)
        yield f"Memory: about {memory.gib(made.memory)} at its peak, {share:.0%} of {memory.gib(free)} that are free"
        made.check_memory()
    speed = made.rehearse()
    yield f"Speed:  about {speed:.0f} images/s with {engine.name} on {engine.device()}, as a few batches just showed"
    if settings.minutes is not None:
        batches = round(60 * settings.minutes * speed / settings.batch_size)
        passes = batches * settings.batch_size / len(learnt)
        yield f"Time:   about {batches:,} batches in {settings.minutes:g} minutes, {passes:,.0f} times all pictures"
    else:
        seconds = (settings.batches or 0) * settings.batch_size / speed
        yield f"Time:   about {clock(seconds)} for {settings.batches:,} batches"


@app.command()
def sample(
    run: RunFolder,
    n: Annotated[int, typer.Option("-n", "--number", help="How many pictures to paint.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="The grid's file; a folder with --separate.")] = GRID,
    seed: Annotated[int, typer.Option(help="The same seed paints the same pictures.")] = 0,
    separate: Annotated[bool, typer.Option("--separate", help="A file for each picture.")] = False,
) -> None:
    """Paint new pictures with what RUN learnt."""
    from pippin.show import grid, save_picture

    images = pippin.open_run(run).sample(n, seed)
    if not separate:
        print(f"{n} pictures in {save_picture(grid(images), output)}")
        return
    folder = output.with_suffix("") if output.suffix else output
    digits = max(3, len(str(n - 1)))
    for index, image in enumerate(images):
        save_picture(image, folder / f"seed{seed}-{index:0{digits}d}.png")
    print(f"{n} pictures in {folder}")


@app.command()
def diagram(
    subject: Annotated[str, typer.Argument(help="A run, or a preset: standard or classic.", metavar="RUN|PRESET")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file: .svg, or a picture such as .png.")] = Path(
        "networks.svg"
    ),
    theme: Annotated[
        Theme, typer.Option(help="Light or dark; an SVG by itself follows the reader's own.")
    ] = Theme.auto,
    image_size: Annotated[int, typer.Option(help="Side of a PRESET's pictures in pixels.")] = 64,
) -> None:
    """Draw both networks side by side: layers, shapes, parameters, and where the memory and the time go."""
    format = "svg" if output.suffix.lower() == ".svg" else "png"
    drawn = pippin.diagram(subject, format=format, theme=theme.value, image_size=image_size)
    from pippin.show.diagram import save

    print(f"Both networks: {save(drawn, output)}")


@app.command()
def export(
    run: RunFolder,
    to: Annotated[Format, typer.Option(help="What it is for.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file or folder; in RUN's folder if not said.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="Upload what was written for huggingface to this NAME/REPOSITORY.")
    ] = None,
) -> None:
    """Write RUN's generator for use elsewhere: plain Keras, ONNX Runtime, a web page, Hugging Face, or LiteRT."""
    if push and to is not Format.huggingface:
        raise SettingsError(f"--push goes with --to huggingface. Received: --to {to.value} --push {push}")
    opened = pippin.open_run(run)
    from pippin.export import huggingface

    if push:
        huggingface.check_push()
    written = opened.export(to.value, output)
    print(f"{_TAKEN[to]}: {written / 'index.html' if to is Format.web else written} ({_megabytes(written)})")
    if push:
        print(f"Uploaded: {huggingface.push(written, push)}")


def _megabytes(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


@app.command()
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


@app.command()
def report(run: RunFolder) -> None:
    """Write RUN's report.html: pictures, curves, scores, nearest photographs, and the settings with their reasons."""
    from pippin.report import EventLog, write_page

    opened = pippin.open_run(run)
    if (opened.evaluation() or {}).get("batches") != opened.batches:
        try:
            pippin.evaluate(opened)
        except (SettingsError, SourceError) as problem:
            print(f"Not scored: {problem}")
    EventLog(opened).close()
    print(f"The report:      {write_page(opened)}")
    print(f"For TensorBoard: tensorboard --logdir {run}")


@app.command()
def info(run: RunFolder) -> None:
    """Tell what is in RUN: what it learnt from, how it was made, how far it is, and what to look at."""
    opened = pippin.open_run(run)
    console().print(_table(_facts(opened)))


def _table(rows: Iterator[tuple[str, ...]]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _facts(run: "Run") -> Iterator[tuple[str, str]]:
    settings, about = run.settings, run.about
    goal = f"{settings.batches:,} batches" if settings.batches else f"{settings.minutes:g} minutes"
    yield "run", str(run.path)
    pictures = f"{about['pictures']:,} pictures" + (f", {about['held_out']:,} held out" if about["held_out"] else "")
    yield "source", f"{about['source']} ({pictures}, {settings.image_size}×{settings.image_size})"
    state = "finished" if run.finished else "not finished; the same command goes on"
    yield "trained", f"{run.batches:,} batches in {clock(run.seconds)}, of {goal} ({state})"
    if run.best:
        yield "best", f"batch {run.best[0]:,} (KID {run.best[1]:.4f}), which is what `pippin sample` paints with"
    last = next((entry for entry in reversed(run.log()) if "g_loss" in entry), None)
    if last:
        yield "last losses", f"{_losses(last)}, {last['images_per_second']:.0f} images/s"
    yield "made with", f"{about['engine']} on {about['machine']}, Keras {about['versions']['keras']}"
    for name, value, reason in _explained(settings, about["reasons"]):
        yield name, value + (f"  ({reason})" if reason else "")
    for name in ("timeline.png", "latest.png", "generator.keras", "log.jsonl", "checkups.jsonl", "pictures.json"):
        if (run.path / name).exists():
            yield "look at" if name == "timeline.png" else "", str(run.path / name)


class Narrator:
    """Tells a person at the command line how training goes: in plain lines, or with a bar where there is a terminal."""

    def __init__(self) -> None:
        self.run: Run | None = None

    @staticmethod
    @contextlib.contextmanager
    def choose() -> "Iterator[Narrator]":
        """Give a narrator that fits where the output goes."""
        if not console().is_terminal:
            yield Narrator()
            return
        bars = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), console=console()
        )
        with bars:
            yield BarNarrator(bars)

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, flush=True)

    def preparing(self, done: int, total: int) -> None:
        """Say how far the pictures are, seldom."""
        if total >= 1000 and done % max(1, total // 4) == 0:
            self.say(f"Looked at {done:,} of {total:,} files")

    def prepared(self, dataset: "Dataset") -> None:
        """Say what was found."""
        self.say(dataset.summary())
        size = dataset.image_size
        self.say(f"{len(dataset):,} pictures of {size}×{size} to learn from")

    def started(self, run: "Run", reasons: dict[str, str], rule: str, going_on: bool) -> None:
        """Say what begins."""
        self.run = run
        settings = run.settings
        goal = f"{settings.batches:,} batches" if settings.batches else f"{settings.minutes:g} minutes"
        where = f"from batch {run.batches:,} " if going_on else ""
        self.say(
            f"Training {where}for {goal} of {settings.batch_size} pictures with {run.about['engine']} ({run.path})"
        )
        if run.about["held_out"]:
            self.say(f"{run.about['held_out']:,} of the pictures are held out of it, to judge by")
        if settings.rule == "auto" and rule == "alternating":
            self.say("The discriminator mixes the pictures of a batch, so the players move in turn (alternating rule)")

    def ticked(self, run: "Run", tick: "Tick") -> None:
        """Say how far it is."""
        if tick.measures:
            self.say(f"{self.counted(tick)}  {self.rate(tick)}  {run.path / 'latest.png'}")

    def counted(self, tick: "Tick") -> str:
        """Return how many batches are done, of how many."""
        goal = self.run.settings.batches if self.run else None
        return f"batch {tick.batches:,}" + (f"/{goal:,}" if goal else "")

    def rate(self, tick: "Tick") -> str:
        """Return speed, time left and losses."""
        left = f"{clock(tick.seconds_left)} left" if tick.seconds_left is not None else ""
        return f"{tick.images_per_second:.0f} images/s  {left}  {_losses(tick.measures)}"

    def noticed(self, run: "Run", text: str) -> None:
        """Say what was found."""
        self.say(text)

    def finished(self, run: "Run", already: bool) -> None:
        """Say what there is to look at."""
        self.say(f"{'This run is finished already' if already else 'Finished'}: batch {run.batches:,}")
        self.say(f"How it grew:      {run.path / 'timeline.png'}")
        self.say(f"Paint new ones:   pippin sample {run.path} -n 64 -o grid.png")

    def stopped(self) -> None:
        """Say how to go on."""
        if self.run is None:
            self.say("Stopped before training began; the same command begins again.")
        else:
            self.say(f"Stopped and saved at batch {self.run.batches:,}. The same command goes on from there.")


class BarNarrator(Narrator):
    """Shows a bar, and the lines above it."""

    def __init__(self, bars: Progress) -> None:
        super().__init__()
        self.bars = bars
        self.task: TaskID | None = None
        self.looked = 0.0

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        self.bars.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, description: str, completed: float, total: float, text: str) -> None:
        """Move the bar."""
        if self.task is None:
            self.task = self.bars.add_task(description, total=total, text=text)
        self.bars.update(self.task, description=description, completed=completed, total=total, text=text)

    def preparing(self, done: int, total: int) -> None:
        """Move the bar of the preparation."""
        if done == total or time.monotonic() - self.looked > 0.1:
            self.looked = time.monotonic()
            self.show("looking at the pictures", done, total, f"{done:,}/{total:,}")

    def ticked(self, run: "Run", tick: "Tick") -> None:
        """Move the bar of the training."""
        text = f"{self.rate(tick)}  {run.path / 'latest.png'}" if tick.measures else "compiling"
        self.show(self.counted(tick), tick.progress, 1.0, text)

    def finished(self, run: "Run", already: bool) -> None:
        """Clear the bar away and say what there is to look at."""
        self.bars.stop()
        super().finished(run, already)

    def stopped(self) -> None:
        """Clear the bar away and say how to go on."""
        self.bars.stop()
        super().stopped()


def clock(seconds: float) -> str:
    """Return a duration as people say it: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _losses(measures: dict[str, Any]) -> str:
    return f"d_loss {measures['d_loss']:.3f} g_loss {measures['g_loss']:.3f}"


def console() -> Console:
    """Return where to print, as it is now: tests and notebooks exchange standard output."""
    return Console(highlight=False)


def main() -> None:
    """Run the command line; whatever Pippin raises on purpose becomes one line and exit code 2."""
    try:
        app()
    except PippinError as problem:
        print(f"pippin: {problem}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
