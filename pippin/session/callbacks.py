"""Keras callbacks, called during a training session as `keras.Model.fit` calls them.

A GAN has no meaningful epochs, so each tick counts as an epoch: `TICK` batches, or fewer if a checkup or a snapshot
comes first. Batches are counted within their tick, and ticks within the run, across training sessions.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras

from pippin.errors import SettingsError
from pippin.runs.run import Run
from pippin.session.reporting import Reporter
from pippin.training.trainer import Tick, Trainer


class LazyMeasures(Mapping[str, float]):
    """The measures of one batch as numbers, converted when the first of them is read. Reading waits for the engine.

    Args:
        trainer: the trainer of the batch.
        measures: name → scalar tensor of the engine.
    """

    def __init__(self, trainer: Trainer, measures: Mapping[str, Any]):
        self._trainer, self._measures = trainer, measures

    def __getitem__(self, name: str) -> float:
        return self._numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._measures)

    def __len__(self) -> int:
        return len(self._measures)

    @cached_property
    def _numbers(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._trainer.engine.to_host(dict(self._measures)).items()}


class CallbackReporter(Reporter):
    """A reporter that calls Keras callbacks.

    It calls `on_train_begin`, `on_epoch_begin`, `on_train_batch_begin`, `on_train_batch_end`, `on_epoch_end` and
    `on_train_end`; the last one also if a callback ended the run, but not after an interruption. The logs of an epoch
    are the means of its batches' measures, `images_per_second`, and `kid` of the last checkup (infinity before the
    first one). The callbacks' `model` is the averaged generator as of the last tick; it is not compiled and has no
    optimizer. Setting its `stop_training` ends the run after the current batch.

    Args:
        callbacks: instances of `keras.callbacks.Callback`.
        trainer: the trainer of the session.

    Raises:
        SettingsError: an item is not a Keras callback.
    """

    def __init__(self, callbacks: Sequence[Any], trainer: Trainer):
        self.callbacks, self.trainer = check_callbacks(callbacks), trainer
        trainer.steps_per_call = 1  # a callback may stop the run after any batch
        self.epoch, self.first_batch, self.kid = 0, 0, float("inf")
        self.in_epoch = False
        self.logs: dict[str, float] = {}

    def on_train_begin(self, run: Run, rule: str, resumed: bool) -> None:
        """Give the callbacks the model, and call their `on_train_begin`."""
        self.model = run.folder.build_network("generator", drawn=False)
        self.model.stop_training = False
        self.epoch, self.first_batch = len(run.log()), run.batches
        self._update_kid(run)
        self._update_model()
        params = {"epochs": None, "steps": None, "verbose": 0}
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(self.model)
        self._call("on_train_begin")

    def on_batch_begin(self, batches: int) -> None:
        """Call `on_train_batch_begin`, after `on_epoch_begin` if this batch is the first of a tick."""
        if not self.in_epoch:
            self.in_epoch = True
            self._call("on_epoch_begin", self.epoch)
        self._call("on_train_batch_begin", batches - self.first_batch)

    def on_batch_end(self, batches: int, measures: Mapping[str, float]) -> None:
        """Call `on_train_batch_end`."""
        self._call("on_train_batch_end", batches - 1 - self.first_batch, measures)

    def on_tick(self, run: Run, tick: Tick) -> None:
        """Update the model and call `on_epoch_end`."""
        if not self.in_epoch:
            return
        self._update_kid(run)
        self._update_model()
        self.logs = {**tick.measures, "images_per_second": tick.images_per_second, "kid": self.kid}
        self._call("on_epoch_end", self.epoch, dict(self.logs))
        self.epoch, self.first_batch, self.in_epoch = self.epoch + 1, tick.batches, False

    def on_train_end(self, run: Run, already_finished: bool) -> None:
        """Call `on_train_end`, unless an earlier session finished the run."""
        if not already_finished:
            self._call("on_train_end", dict(self.logs))

    def should_stop(self) -> bool:
        """Return whether a callback has set the model's `stop_training`."""
        return bool(self.model.stop_training)

    def _call(self, name: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(*args)

    def _update_kid(self, run: Run) -> None:
        if checkups := run.checkups():
            self.kid = checkups[-1]["kid"]

    def _update_model(self) -> None:
        averaged = self.trainer.engine.to_host(self.trainer.state["ema_generator"])
        parts = ("weights", self.model.trainable_variables), ("stats", self.model.non_trainable_variables)
        for part, variables in parts:
            for variable, value in zip(variables, averaged[part], strict=True):
                variable.assign(value)


def check_callbacks(callbacks: Sequence[Any]) -> list[keras.callbacks.Callback]:
    """Return the callbacks as a list.

    Raises:
        SettingsError: an item is not a Keras callback.
    """
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise SettingsError(f"callbacks must be instances of keras.callbacks.Callback. Received: {callback!r}")
    return list(callbacks)
