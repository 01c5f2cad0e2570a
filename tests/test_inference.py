"""Forward passes in compiled batches of one size."""

import keras
import numpy as np
import pytest
from keras import layers

from pippin import engines
from pippin.engines.inference import Inference, image_batch_size, in_batches, model_inference, parameters_of


def test_batches_have_one_size_and_results_have_the_inputs_length():
    sizes, progress = [], []

    def doubled(batch):
        sizes.append(len(batch))
        return 2 * batch

    rows = np.arange(7.0)
    np.testing.assert_array_equal(in_batches(doubled, (rows,), 3, lambda *counts: progress.append(counts)), 2 * rows)
    assert sizes == [3, 3, 3]
    assert progress == [(3, 7), (6, 7), (7, 7)]


def test_several_inputs_and_several_outputs_stay_in_step():
    a, b = np.arange(5.0), np.arange(5.0) * 10
    total, difference = in_batches(lambda x, y: [x + y, x - y], (a, b), 2)
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(difference, a - b)


def test_a_models_inference_equals_the_model_and_is_compiled_once():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5)])
    traced = []
    call = model.stateless_call
    model.stateless_call = lambda *args, **kwargs: traced.append(1) or call(*args, **kwargs)
    rows = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
    inference, parameters = model_inference(model, 4), parameters_of(model)
    expected = keras.ops.convert_to_numpy(model(rows, training=False))
    np.testing.assert_allclose(inference(parameters, rows), expected, rtol=1e-6)
    np.testing.assert_allclose(inference(parameters, rows[:1]), expected[:1], rtol=1e-6)
    assert len(traced) == (4 if engines.current().name == "torch" else 1)


def test_other_parameters_need_no_new_compilation():
    traced = []

    def scaled(parameters, x):
        traced.append(1)
        return x * parameters["factor"]

    engine = engines.current()
    inference, rows = Inference(scaled, 2), np.ones((3, 1), "float32")
    for factor in (2.0, 3.0):
        parameters = engine.to_device({"factor": np.float32(factor)})
        np.testing.assert_array_equal(inference(parameters, rows), factor * rows)
        np.testing.assert_array_equal(engine.to_host(parameters)["factor"], factor)  # not consumed
    assert len(traced) == (4 if engine.name == "torch" else 1)


@pytest.mark.parametrize(("side", "count"), [(16, 16), (64, 16), (128, 4), (256, 1), (512, 1)])
def test_larger_images_come_in_smaller_batches(side, count):
    assert image_batch_size(side) == count


def test_many_models_in_one_process_cause_no_warning_of_retracing(monkeypatch):
    if engines.current().name != "tensorflow":
        pytest.skip("only TensorFlow counts traces")
    import tensorflow as tf

    warnings = []
    monkeypatch.setattr(tf.get_logger(), "warning", lambda text, *args: warnings.append(text))
    for inputs in range(3, 12):
        model = keras.Sequential([keras.Input((inputs,)), layers.Dense(2)])
        model_inference(model, 4)(parameters_of(model), np.ones((5, inputs), "float32"))
    assert warnings == []
