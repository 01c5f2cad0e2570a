"""Who is told how a sitting of training goes, and may end it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pippin.pictures import Dataset
    from pippin.runs.run import Run
    from pippin.training.trainer import Tick


class Reporter:
    """Who is told how a sitting goes. This one tells nobody and lets training go to its end; others say more."""

    def preparing(self, done: int, total: int) -> None:
        """So many of the source's files were looked at."""

    def prepared(self, dataset: "Dataset") -> None:
        """The pictures are ready."""

    def started(self, run: "Run", reasons: dict[str, str], rule: str, going_on: bool) -> None:
        """Training begins, or goes on."""

    def batch_begins(self, batches: int) -> None:
        """A batch is about to be trained, after so many."""

    def batch_ends(self, batches: int, measures: Mapping[str, float]) -> None:
        """A batch was trained, so many in all. Only who reads `measures` waits for the engine."""

    def ticked(self, run: "Run", tick: "Tick") -> None:
        """Some batches were trained."""

    def noticed(self, run: "Run", text: str) -> None:
        """Something is wrong, or it is done: one plain sentence with what was done about it."""

    def finished(self, run: "Run", already: bool) -> None:
        """The run is at its end, now or (`already`) before this sitting."""

    def wants_to_stop(self) -> bool:
        """Whether the run is to end here. Asked after each batch and each tick."""
        return False


class Several(Reporter):
    """Tells several, one after the other; each of them may end the run."""

    def __init__(self, *reporters: Reporter):
        self.reporters = reporters

    def preparing(self, done: int, total: int) -> None:
        """Tell all."""
        for one in self.reporters:
            one.preparing(done, total)

    def prepared(self, dataset: "Dataset") -> None:
        """Tell all."""
        for one in self.reporters:
            one.prepared(dataset)

    def started(self, run: "Run", reasons: dict[str, str], rule: str, going_on: bool) -> None:
        """Tell all."""
        for one in self.reporters:
            one.started(run, reasons, rule, going_on)

    def batch_begins(self, batches: int) -> None:
        """Tell all."""
        for one in self.reporters:
            one.batch_begins(batches)

    def batch_ends(self, batches: int, measures: Mapping[str, float]) -> None:
        """Tell all."""
        for one in self.reporters:
            one.batch_ends(batches, measures)

    def ticked(self, run: "Run", tick: "Tick") -> None:
        """Tell all."""
        for one in self.reporters:
            one.ticked(run, tick)

    def noticed(self, run: "Run", text: str) -> None:
        """Tell all."""
        for one in self.reporters:
            one.noticed(run, text)

    def finished(self, run: "Run", already: bool) -> None:
        """Tell all."""
        for one in self.reporters:
            one.finished(run, already)

    def wants_to_stop(self) -> bool:
        """Return whether one of them wants to."""
        return any(one.wants_to_stop() for one in self.reporters)
