"""Keras' callbacks: what they are told, what it costs, and that they can end a run."""

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin.errors import SettingsError
from pippin.session.callbacks import LazyMeasures


class Diary(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append("begin")

    def on_train_end(self, logs=None):
        self.told.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        self.told.append((epoch, logs))

    def on_train_batch_begin(self, batch, logs=None):
        self.told.append(f"batch {batch}")

    def on_train_batch_end(self, batch, logs=None):
        self.told.append(f"after {batch}")


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


def test_they_are_told_as_fit_would_tell_them(tmp_path):
    diary = Diary()
    run = tiny.train(tmp_path / "run", batches=52, callbacks=[diary])
    shown = [one if isinstance(one, str) else f"end of {one[0]}" for one in diary.told]
    first = [word for n in range(50) for word in (f"batch {n}", f"after {n}")]
    last = ["epoch 1", "batch 0", "after 0", "batch 1", "after 1", "end of 1"]
    assert shown == ["begin", "epoch 0", *first, "end of 0", *last, "end"]
    epochs = [one[1] for one in diary.told if not isinstance(one, str)]
    for logs, line in zip(epochs, run.log(), strict=True):
        assert logs["d_loss"] == line["d_loss"]
        assert logs["kid"] == np.inf


def test_their_model_paints_as_the_run_does(tmp_path):
    painted = []

    class Painter(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            painted.append(np.array(self.model.trainable_variables[0]))

    run = tiny.train(tmp_path / "run", batches=3, callbacks=[Painter()])
    np.testing.assert_array_equal(painted[-1], np.array(run.generator.trainable_variables[0]))


def test_nothing_waits_for_the_engine_where_nobody_reads(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(LazyMeasures, "_numbers", property(lambda self: asked.append(1) or {"d_loss": 0.5}))
    tiny.train(tmp_path / "quiet", batches=3, callbacks=[Diary()])
    assert asked == []
    read = []
    reader = keras.callbacks.LambdaCallback()
    reader.on_train_batch_end = lambda batch, logs=None: read.append(logs["d_loss"])
    tiny.train(tmp_path / "read", batches=3, callbacks=[reader])
    assert read == [0.5] * 3


def test_a_batchs_measures_are_numbers(tmp_path):
    read = []
    reader = keras.callbacks.LambdaCallback()
    reader.on_train_batch_end = lambda batch, logs=None: read.append(dict(logs))
    run = tiny.train(tmp_path / "run", batches=3, callbacks=[reader])
    assert np.mean([logs["d_loss"] for logs in read]) == pytest.approx(run.log()[0]["d_loss"])


@pytest.mark.parametrize(("stop", "batches"), [(StopAt(batch=6), 7), (StopAt(epoch=0), 50)])
def test_a_callback_ends_the_run(tmp_path, stop, batches):
    diary = Diary()
    run = tiny.train(tmp_path / "run", batches=80, callbacks=[stop, diary])
    assert (run.batches, run.finished) == (batches, True)
    assert max(run.snapshots()) == batches
    assert diary.told[-1] == "end"
    assert tiny.state(run)["steps"] == batches


def test_early_stopping_of_keras_works(tmp_path):
    patient = keras.callbacks.EarlyStopping(monitor="kid", mode="min", patience=0)
    run = tiny.train(tmp_path / "run", batches=200, callbacks=[patient])  # without checkups nothing ever gets better
    assert (run.batches, run.finished) == (100, True)


def test_epochs_are_counted_on_across_sittings(tmp_path):
    epochs = len(tiny.train_until(60, tmp_path / "run", batches=80).log())
    diary = Diary()
    tiny.train(tmp_path / "run", batches=80, callbacks=[diary])
    assert diary.told[1] == f"epoch {epochs}"


def test_what_is_no_callback_is_refused_before_anything_is_done(tmp_path):
    with pytest.raises(SettingsError, match=r"instances of keras.callbacks.Callback\. Received: <function"):
        tiny.train(tmp_path / "run", callbacks=[lambda logs: None])
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_finished_already_tells_them_nothing(tmp_path):
    tiny.train(tmp_path / "run", batches=2)
    diary = Diary()
    assert tiny.train(tmp_path / "run", batches=2, callbacks=[diary]).finished
    assert diary.told == []
    assert pippin.open_run(tmp_path / "run").batches == 2
