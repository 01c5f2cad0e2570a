"""Keras callbacks: how they are called, what reading measures costs, and that they can end a run."""

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin.errors import SettingsError
from pippin.session.callbacks import LazyMeasures


class RecordingCallback(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_train_end(self, logs=None):
        self.calls.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((epoch, logs))

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(f"batch {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(f"after {batch}")


class StopAt(keras.callbacks.Callback):
    def __init__(self, batch=None, epoch=None):
        super().__init__()
        self.at = batch, epoch

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.at[0]:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at[1]:
            self.model.stop_training = True


def test_callbacks_are_called_as_by_fit(tmp_path):
    recorder = RecordingCallback()
    run = tiny.train(tmp_path / "run", batches=52, callbacks=[recorder])
    shown = [one if isinstance(one, str) else f"end of {one[0]}" for one in recorder.calls]
    first = [word for n in range(50) for word in (f"batch {n}", f"after {n}")]
    last = ["epoch 1", "batch 0", "after 0", "batch 1", "after 1", "end of 1"]
    assert shown == ["begin", "epoch 0", *first, "end of 0", *last, "end"]
    epochs = [one[1] for one in recorder.calls if not isinstance(one, str)]
    for logs, line in zip(epochs, run.log(), strict=True):
        assert logs["d_loss"] == line["d_loss"]
        assert logs["kid"] == np.inf


def test_the_model_of_callbacks_has_the_weights_of_the_run(tmp_path):
    weights = []

    class WeightReader(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(np.array(self.model.trainable_variables[0]))

    run = tiny.train(tmp_path / "run", batches=3, callbacks=[WeightReader()])
    np.testing.assert_array_equal(weights[-1], np.array(run.generator.trainable_variables[0]))


def test_measures_are_converted_only_if_a_callback_reads_them(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(LazyMeasures, "_numbers", property(lambda self: asked.append(1) or {"d_loss": 0.5}))
    tiny.train(tmp_path / "quiet", batches=3, callbacks=[RecordingCallback()])
    assert asked == []
    read = []
    reader = keras.callbacks.LambdaCallback()
    reader.on_train_batch_end = lambda batch, logs=None: read.append(logs["d_loss"])
    tiny.train(tmp_path / "read", batches=3, callbacks=[reader])
    assert read == [0.5] * 3


def test_the_measures_of_a_batch_are_numbers(tmp_path):
    read = []
    reader = keras.callbacks.LambdaCallback()
    reader.on_train_batch_end = lambda batch, logs=None: read.append(dict(logs))
    run = tiny.train(tmp_path / "run", batches=3, callbacks=[reader])
    assert np.mean([logs["d_loss"] for logs in read]) == pytest.approx(run.log()[0]["d_loss"])


@pytest.mark.parametrize(("stop", "batches"), [(StopAt(batch=6), 7), (StopAt(epoch=0), 50)])
def test_a_callback_ends_the_run(tmp_path, stop, batches):
    recorder = RecordingCallback()
    run = tiny.train(tmp_path / "run", batches=80, callbacks=[stop, recorder])
    assert (run.batches, run.finished) == (batches, True)
    assert max(run.snapshots()) == batches
    assert recorder.calls[-1] == "end"
    assert tiny.state(run)["steps"] == batches


@pytest.mark.slow
def test_early_stopping_of_keras_works(tmp_path):
    patient = keras.callbacks.EarlyStopping(monitor="kid", mode="min", patience=0)
    run = tiny.train(tmp_path / "run", batches=200, callbacks=[patient])  # without checkups, KID never improves
    assert (run.batches, run.finished) == (100, True)


@pytest.mark.slow
def test_epochs_are_counted_across_sessions(tmp_path):
    epochs = len(tiny.train_until(60, tmp_path / "run", batches=80).log())
    recorder = RecordingCallback()
    tiny.train(tmp_path / "run", batches=80, callbacks=[recorder])
    assert recorder.calls[1] == f"epoch {epochs}"


def test_other_objects_than_callbacks_are_refused_before_a_run_is_created(tmp_path):
    with pytest.raises(SettingsError, match=r"instances of keras.callbacks.Callback\. Received: <function"):
        tiny.train(tmp_path / "run", callbacks=[lambda logs: None])
    assert not (tmp_path / "run").exists()


def test_callbacks_are_not_called_for_a_finished_run(tmp_path):
    tiny.train(tmp_path / "run", batches=2)
    recorder = RecordingCallback()
    assert tiny.train(tmp_path / "run", batches=2, callbacks=[recorder]).finished
    assert recorder.calls == []
    assert pippin.open_run(tmp_path / "run").batches == 2
