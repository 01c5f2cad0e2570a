"""What the command line prints about progress: plain lines, or a progress bar on a terminal."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from pippin.cli.printing import print_line, shown, stdout_console
from pippin.errors import PippinError
from pippin.session.reporting import Reporter

if TYPE_CHECKING:
    from pippin.pictures import Dataset
    from pippin.runs.run import Run
    from pippin.training.trainer import Tick

LINE_SECONDS = 10
"""Seconds between two lines of progress, so that a log file stays short."""

BAR_SECONDS = 0.1
"""Seconds between two updates of a progress bar, so that drawing it costs nothing."""


class ConsoleReporter(Reporter):
    """Prints progress as plain lines."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.compiled_before: float | None = None

    def print_line(self, text: str) -> None:
        """Print one line. If it cannot be printed, training continues without."""
        with contextlib.suppress(OSError, PippinError):
            print_line(text)

    def progress(self, task: str) -> Callable[[int, int], None]:
        """Return a function that prints the progress of a task; called as `progress(done, total)`."""
        printed, remaining = time.monotonic(), RemainingTime()

        def update(done: int, total: int) -> None:
            nonlocal printed
            left = remaining.update(done, total)
            if done < total and time.monotonic() - printed > LINE_SECONDS:
                printed = time.monotonic()
                self.print_line(f"{task}: {done:,} of {total:,}{f', {left} left' if left else ''}")

        return update

    def on_prepare_progress(self, done: int, total: int) -> None:
        """Print the progress at each quarter of a large source."""
        if total >= 1000 and done % max(1, total // 4) == 0:
            self.print_line(f"Read {done:,} of {total:,} files")

    def on_prepare_end(self, dataset: "Dataset") -> None:
        """Print the status of the files and the number of images."""
        for line in dataset.summary().split("\n"):
            self.print_line(line)
        self.print_line(f"{len(dataset):,} pictures prepared at {dataset.image_size}×{dataset.image_size} pixels")

    def on_train_begin(self, run: "Run", rule: str, resumed: bool) -> None:
        """Print what is trained and for how long."""
        from pippin.session.hardware import engine_advice, find_hardware

        self.run, self.compiled_before = run, run.compile_seconds
        settings, batch = run.settings, f"{run.settings.batch_size} images"
        if settings.batches:
            goal = f"{settings.batches:,} batches of {batch}"
        else:
            goal = f"{settings.minutes:g} minutes in batches of {batch}"
        engine, path = run.about["engine"], run.path
        if resumed:
            self.print_line(f"Resuming from batch {run.batches:,}: training for {goal} in total with {engine} ({path})")
        else:
            self.print_line(f"Training for {goal} with {engine} ({path})")
            if "start" in run.about:
                self.print_line(run.about["start"])
        if advice := engine_advice(run.about["engine"], find_hardware()):
            self.print_line(advice)
        if run.about["held_out"]:
            self.print_line(f"{run.about['held_out']:,} of the pictures are held out for validation")
        if settings.rule == "auto" and rule == "alternating":
            self.print_line(
                "The discriminator mixes the images of a batch, so both networks are trained in turn (alternating rule)"
            )

    def on_tick(self, run: "Run", tick: "Tick") -> None:
        """Print the number of batches, the speed, the remaining time and the losses."""
        self.print_compile_time(run, tick)
        if tick.measures:
            self.print_line(f"{self.format_batches(tick)}  {self.format_speed(tick)}  {run.path / 'latest.png'}")

    def print_compile_time(self, run: "Run", tick: "Tick") -> None:
        """Print how long compiling took, at the first tick of this session after a batch."""
        if tick.measures and self.compiled_before is not None:
            seconds, self.compiled_before = tick.compile_seconds - self.compiled_before, None
            if seconds > 0:
                note = "" if run.settings.minutes is None else ", which does not count towards the minutes"
                self.print_line(f"Compiling the training step took {format_duration(seconds)}{note}")

    def format_batches(self, tick: "Tick") -> str:
        """Return the number of batches trained and, if it is known, in all: `batch 50/60`."""
        goal = self.run.settings.batches if self.run else None
        return f"batch {tick.batches:,}" + (f"/{goal:,}" if goal else "")

    def format_speed(self, tick: "Tick") -> str:
        """Return the speed, the remaining time and the losses."""
        left = f"{format_duration(tick.seconds_left)} left" if tick.seconds_left is not None else ""
        return f"{tick.images_per_second:.0f} images/s  {left}  {format_losses(tick.measures)}"

    def on_finding(self, run: "Run", text: str) -> None:
        """Print the finding."""
        self.print_line(text)

    def on_train_end(self, run: "Run", already_finished: bool) -> None:
        """Print where the results are."""
        state = "This run is already finished" if already_finished else "Finished"
        duration = format_training_time(run.seconds, run.compile_seconds)
        self.print_line(f"{state}: batch {run.batches:,} after {duration}")
        self.print_line(f"Snapshots:         {run.path / 'timeline.png'}")
        self.print_line(f"Generate images:   pippin sample {run.path} -n 64 -o grid.png")

    def print_interrupted(self, saved: bool) -> None:
        """Print which batch the last checkpoint is of, and how to resume.

        Args:
            saved: whether a checkpoint was saved because of the interruption.
        """
        if self.run is None:
            self.print_line("Stopped before training began. Run the same command to start again.")
            return
        try:
            batches = self.run.batches if self.run.folder.has_checkpoint else None
        except (OSError, PippinError):
            batches = None
        if batches is None:
            self.print_line(f"Stopped. There is no readable checkpoint in {self.run.path} now.")
        elif saved:
            self.print_line(f"Stopped and saved at batch {batches:,}. Run the same command to resume.")
        else:
            self.print_line(f"Stopped without saving. Run the same command to resume from batch {batches:,}.")


class ProgressBarReporter(ConsoleReporter):
    """Shows a progress bar on a terminal, and prints lines above it."""

    def __init__(self, bars: Progress) -> None:
        super().__init__()
        self.bars = bars
        self.task: TaskID | None = None
        self.updated = 0.0

    def print_line(self, text: str) -> None:
        """Print one line above the bar."""
        self.bars.console.print(Text(shown(text)), soft_wrap=True)

    def update_bar(self, description: str, completed: float, total: float, text: str) -> None:
        """Draw the bar, for the first time or again."""
        if self.task is None:
            self.task = self.bars.add_task(description, total=total, text="")
        self.bars.update(self.task, description=shown(description), completed=completed, total=total, text=shown(text))

    def progress(self, task: str) -> Callable[[int, int], None]:
        """Return a function that shows the progress of a task in the bar; called as `progress(done, total)`."""
        remaining = RemainingTime()

        def update(done: int, total: int) -> None:
            left = remaining.update(done, total)
            self.update_bar(task, done, total, f"{done:,}/{total:,}{f', {left} left' if left else ''}")

        return update

    def on_prepare_progress(self, done: int, total: int) -> None:
        """Show the progress of the preparation."""
        if done == total or time.monotonic() - self.updated > BAR_SECONDS:
            self.updated = time.monotonic()
            self.update_bar("preparing pictures", done, total, f"{done:,}/{total:,}")

    def on_tick(self, run: "Run", tick: "Tick") -> None:
        """Show the progress of the training."""
        self.print_compile_time(run, tick)
        text = f"{self.format_speed(tick)}  {run.path / 'latest.png'}" if tick.measures else "compiling"
        self.update_bar(self.format_batches(tick), tick.progress, 1.0, text)

    def on_train_end(self, run: "Run", already_finished: bool) -> None:
        """Remove the bar and print where the results are."""
        self.bars.stop()
        super().on_train_end(run, already_finished)

    def print_interrupted(self, saved: bool) -> None:
        """Remove the bar and print how to resume."""
        self.bars.stop()
        super().print_interrupted(saved)


class RemainingTime:
    """Estimates the remaining time of a task from its speed so far."""

    def __init__(self) -> None:
        self.start: tuple[int, float] | None = None

    def update(self, done: int, total: int) -> str:
        """Return the remaining time; or "" if there is no speed yet, or if the task is done."""
        if self.start is None:
            self.start = done, time.monotonic()
        first, started = self.start
        if not first < done < total:
            return ""
        return format_duration((time.monotonic() - started) / (done - first) * (total - done))


@contextlib.contextmanager
def console_reporter() -> Iterator[ConsoleReporter]:
    """Yield a reporter for standard output: with a progress bar if it is a terminal, or else with plain lines."""
    console = stdout_console()
    if not console.is_terminal:
        yield ConsoleReporter()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        yield ProgressBarReporter(bars)


def format_duration(seconds: float) -> str:
    """Return a duration such as `42 s`, `3 min 05 s` or `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def format_training_time(seconds: float, compile_seconds: float) -> str:
    """Return a training time and, if any is known, the compile time that it does not include."""
    if not compile_seconds:
        return format_duration(seconds)
    return f"{format_duration(seconds)} of training and {format_duration(compile_seconds)} of compiling"


def format_losses(measures: dict[str, Any]) -> str:
    """Return both losses with three decimals."""
    return f"d_loss {measures['d_loss']:.3f} g_loss {measures['g_loss']:.3f}"
