"""Keras' callbacks, told of a sitting as `keras.Model.fit` would tell them.

A GAN has no epochs that mean anything, so a tick is one: `TICK` batches, or fewer where a checkup or a moment of the
story comes between. Batches are counted within their tick, and ticks within the run, also across sittings.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras

from pippin.errors import SettingsError
from pippin.runs.run import Run
from pippin.session.reporting import Reporter
from pippin.training.trainer import Tick, Trainer


class Measures(Mapping[str, float]):
    """A batch's measures as numbers. The first time that one is read waits for the engine."""

    def __init__(self, trainer: Trainer, measures: dict[str, Any]):
        self._trainer, self._measures = trainer, measures

    def __getitem__(self, name: str) -> float:
        return self._numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._measures)

    def __len__(self) -> int:
        return len(self._measures)

    @cached_property
    def _numbers(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._trainer.engine.to_host(self._measures).items()}


class Callbacks(Reporter):
    """A reporter that tells Keras' callbacks.

    `on_train_begin`, `on_epoch_begin`, `on_train_batch_begin`, `on_train_batch_end`, `on_epoch_end` and `on_train_end`
    are called; the last one also where a callback ended the run, but not where it was interrupted. An epoch's logs are
    the means of its batches' measures, `images_per_second`, and `kid`, the last checkup's (infinite before). Their
    `model` is the averaged generator, as it stood at the last tick; it was never compiled and has no optimizer. Setting
    its `stop_training` ends the run after the batch.

    Args:
        callbacks: see `keras.callbacks.Callback`.
        trainer: whose training it is.

    Raises:
        SettingsError: one of them is no callback.
    """

    def __init__(self, callbacks: Sequence[Any], trainer: Trainer):
        self.callbacks, self.trainer = check_callbacks(callbacks), trainer
        self.epoch, self.first, self.kid = 0, 0, float("inf")
        self.within = False
        self.logs: dict[str, float] = {}

    def started(self, run: Run, reasons: dict[str, str], rule: str, going_on: bool) -> None:
        """Give them the model, and say that training begins."""
        self.model = run.network("generator")
        self.model.stop_training = False
        self.epoch, self.first = len(run.log()), run.batches
        self._heed(run)
        self._bring_up()
        params = {"epochs": None, "steps": None, "verbose": 0}
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(self.model)
        self._call("on_train_begin")

    def batch_begins(self, batches: int) -> None:
        """Say it, and first that an epoch begins, where one does."""
        if not self.within:
            self.within = True
            self._call("on_epoch_begin", self.epoch)
        self._call("on_train_batch_begin", batches - self.first)

    def batch_ends(self, batches: int, measures: Mapping[str, float]) -> None:
        """Say it."""
        self._call("on_train_batch_end", batches - 1 - self.first, measures)

    def ticked(self, run: Run, tick: Tick) -> None:
        """Bring the model up to date and say that the epoch ends."""
        if not self.within:
            return
        self._heed(run)
        self._bring_up()
        self.logs = {**tick.measures, "images_per_second": tick.images_per_second, "kid": self.kid}
        self._call("on_epoch_end", self.epoch, dict(self.logs))
        self.epoch, self.first, self.within = self.epoch + 1, tick.batches, False

    def finished(self, run: Run, already: bool) -> None:
        """Say that training ends."""
        if not already:
            self._call("on_train_end", dict(self.logs))

    def wants_to_stop(self) -> bool:
        """Return whether a callback has set the model's `stop_training`."""
        return bool(self.model.stop_training)

    def _call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(*args)

    def _heed(self, run: Run) -> None:
        if checkups := run.checkups():
            self.kid = checkups[-1]["kid"]

    def _bring_up(self) -> None:
        averaged = self.trainer.engine.to_host(self.trainer.state["ema_generator"])
        parts = ("weights", self.model.trainable_variables), ("stats", self.model.non_trainable_variables)
        for part, variables in parts:
            for variable, value in zip(variables, averaged[part], strict=True):
                variable.assign(value)


def check_callbacks(callbacks: Sequence[Any]) -> list[keras.callbacks.Callback]:
    """Return the callbacks.

    Raises:
        SettingsError: one of them is none.
    """
    for one in callbacks:
        if not isinstance(one, keras.callbacks.Callback):
            raise SettingsError(f"callbacks must be instances of keras.callbacks.Callback. Received: {one!r}")
    return list(callbacks)
