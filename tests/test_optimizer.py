"""Adam against its formula and against Keras' own."""

import keras
import numpy as np
import pytest

from pippin import engines
from pippin.training.optimizer import EPSILON, adam, bias_corrections


@pytest.fixture(scope="module")
def engine():
    return engines.current()


def run(engine, weight, gradients, learning_rate, beta_1, beta_2):
    """Take one step for each gradient, and return the weight after the last one."""
    weights, first, second = (engine.to_device([array]) for array in (weight, 0 * weight, 0 * weight))
    for n, gradient in enumerate(gradients):
        corrections = [bias_corrections(beta_1, beta_2, n + 1)]
        gradient = engine.to_device([gradient])
        weights, first, second = adam(weights, gradient, first, second, [learning_rate], beta_1, beta_2, corrections)
    return engine.to_host(weights[0])


def test_the_first_step_moves_each_weight_by_its_learning_rate(engine):
    weight, gradient = np.float32([1, -2, 3]), np.float32([1e-3, -5, 70])
    moved = run(engine, weight, [gradient], 0.25, 0.9, 0.99)
    np.testing.assert_allclose(moved, weight - 0.25 * np.sign(gradient), rtol=1e-4)


def test_each_weight_has_a_learning_rate_of_its_own(engine):
    ones = np.ones(2, "float32")
    weights, gradients, zeros = (engine.to_device([array, array]) for array in (ones, ones, 0 * ones))
    moved, _, _ = adam(weights, gradients, zeros, zeros, [0.5, 0.0], 0.0, 0.99, [bias_corrections(0.0, 0.99, 1)] * 2)
    np.testing.assert_allclose(engine.to_host(moved[0]), ones - 0.5, rtol=1e-5)
    np.testing.assert_array_equal(engine.to_host(moved[1]), ones)


def test_many_steps_are_those_of_keras_adam(engine):
    rng = np.random.default_rng(0)
    weight, gradients = rng.normal(size=5).astype("float32"), rng.normal(size=(12, 5)).astype("float32")
    variable = keras.Variable(weight)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=EPSILON)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    expected = keras.ops.convert_to_numpy(variable.value)
    np.testing.assert_allclose(run(engine, weight, gradients, 0.01, 0.8, 0.95), expected, rtol=1e-5)
