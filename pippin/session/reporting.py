"""Reporters: objects that are notified of a training session's progress, and may end it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pippin.pictures import Dataset
    from pippin.runs.run import Run
    from pippin.training.trainer import Tick


class Reporter:
    """Base class of reporters. Its hooks do nothing; subclasses override those that they need."""

    def on_prepare_progress(self, done: int, total: int) -> None:
        """Called while the images are prepared, with the number of files done so far and in all."""

    def on_prepare_end(self, dataset: "Dataset") -> None:
        """Called when the images are prepared."""

    def on_train_begin(self, run: "Run", rule: str, resumed: bool) -> None:
        """Called when training begins, with the training rule and whether the run had trained batches before."""

    def on_batch_begin(self, batches: int) -> None:
        """Called before each batch, with the number of batches trained so far."""

    def on_batch_end(self, batches: int, measures: Mapping[str, float]) -> None:
        """Called after each batch, with the number of batches trained so far.

        Reading a value of `measures` waits for the engine; without reading, the next batch is prepared meanwhile.
        """

    def on_tick(self, run: "Run", tick: "Tick") -> None:
        """Called at every progress interval; see `pippin.training.trainer.TICK`."""

    def on_finding(self, run: "Run", text: str) -> None:
        """Called when validation finds a problem or ends the run, with one sentence: what was found, what was done."""

    def on_train_end(self, run: "Run", already_finished: bool) -> None:
        """Called when the run is finished: in this session, or (`already_finished`) in an earlier one."""

    def should_stop(self) -> bool:
        """Return whether the run should end now. Called after each batch and each tick."""
        return False


class CompositeReporter(Reporter):
    """Passes every call on to several reporters, in their order. The run ends when one of them wants to stop."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def should_stop(self) -> bool:
        """Return whether at least one reporter wants to stop."""
        return any(reporter.should_stop() for reporter in self.reporters)


def _add_hook(name: str) -> None:
    """Give `CompositeReporter` a hook that calls the reporters' hook of the same name."""

    def call_all(self: CompositeReporter, *args: Any, **kwargs: Any) -> None:
        for reporter in self.reporters:
            getattr(reporter, name)(*args, **kwargs)

    setattr(CompositeReporter, name, call_all)


for _name in [name for name in vars(Reporter) if name.startswith("on_")]:
    _add_hook(_name)
