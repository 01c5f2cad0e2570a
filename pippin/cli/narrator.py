"""What a person at the command line is told while something takes its time."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from pippin.session.reporting import Reporter

if TYPE_CHECKING:
    from pippin.pictures import Dataset
    from pippin.runs.run import Run
    from pippin.training.trainer import Tick


class Narrator(Reporter):
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

    def on_prepare_progress(self, done: int, total: int) -> None:
        """Say how far the pictures are, seldom."""
        if total >= 1000 and done % max(1, total // 4) == 0:
            self.say(f"Looked at {done:,} of {total:,} files")

    def working(self, what: str) -> Callable[[int, int], None]:
        """Return whom to tell how far something is that takes its time, such as painting; it says so seldom."""
        said, left = time.monotonic(), Left()

        def told(done: int, total: int) -> None:
            nonlocal said
            remaining = left.after(done, total)
            if done < total and time.monotonic() - said > 10:
                said = time.monotonic()
                self.say(f"{what}: {done:,} of {total:,}{remaining}")

        return told

    def on_prepare_end(self, dataset: "Dataset") -> None:
        """Say what was found."""
        self.say(dataset.summary())
        size = dataset.image_size
        self.say(f"{len(dataset):,} pictures of {size}×{size} to learn from")

    def on_train_begin(self, run: "Run", rule: str, resumed: bool) -> None:
        """Say what begins."""
        self.run = run
        settings = run.settings
        goal = f"{settings.batches:,} batches" if settings.batches else f"{settings.minutes:g} minutes"
        where = f"from batch {run.batches:,} " if resumed else ""
        self.say(
            f"Training {where}for {goal} of {settings.batch_size} pictures with {run.about['engine']} ({run.path})"
        )
        if "start" in run.about and not resumed:
            self.say(run.about["start"])
        if run.about["held_out"]:
            self.say(f"{run.about['held_out']:,} of the pictures are held out of it, to judge by")
        if settings.rule == "auto" and rule == "alternating":
            self.say("The discriminator mixes the pictures of a batch, so the players move in turn (alternating rule)")

    def on_tick(self, run: "Run", tick: "Tick") -> None:
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
        return f"{tick.images_per_second:.0f} images/s  {left}  {losses(tick.measures)}"

    def on_finding(self, run: "Run", text: str) -> None:
        """Say what was found."""
        self.say(text)

    def on_train_end(self, run: "Run", already_finished: bool) -> None:
        """Say what there is to look at."""
        self.say(f"{'This run is finished already' if already_finished else 'Finished'}: batch {run.batches:,}")
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

    def on_prepare_progress(self, done: int, total: int) -> None:
        """Move the bar of the preparation."""
        if done == total or time.monotonic() - self.looked > 0.1:
            self.looked = time.monotonic()
            self.show("looking at the pictures", done, total, f"{done:,}/{total:,}")

    def working(self, what: str) -> Callable[[int, int], None]:
        """Return what moves a bar."""
        left = Left()
        return lambda done, total: self.show(what, done, total, f"{done:,}/{total:,}{left.after(done, total)}")

    def on_tick(self, run: "Run", tick: "Tick") -> None:
        """Move the bar of the training."""
        text = f"{self.rate(tick)}  {run.path / 'latest.png'}" if tick.measures else "compiling"
        self.show(self.counted(tick), tick.progress, 1.0, text)

    def on_train_end(self, run: "Run", already_finished: bool) -> None:
        """Clear the bar away and say what there is to look at."""
        self.bars.stop()
        super().on_train_end(run, already_finished)

    def stopped(self) -> None:
        """Clear the bar away and say how to go on."""
        self.bars.stop()
        super().stopped()


class Left:
    """How long something will still take, if it goes on as it went so far."""

    def __init__(self) -> None:
        self.began: tuple[int, float] | None = None

    def after(self, done: int, total: int) -> str:
        """Return `, 42 s left` after so much of it; nothing where nobody can tell yet, or nothing is left."""
        if self.began is None:
            self.began = done, time.monotonic()
        first, since = self.began
        if not first < done < total:
            return ""
        return f", {clock((time.monotonic() - since) / (done - first) * (total - done))} left"


def clock(seconds: float) -> str:
    """Return a duration as people say it: `42 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def losses(measures: dict[str, Any]) -> str:
    """Return both losses in a few words."""
    return f"d_loss {measures['d_loss']:.3f} g_loss {measures['g_loss']:.3f}"


def console() -> Console:
    """Return where to print, as it is now: tests and notebooks exchange standard output."""
    return Console(highlight=False)
