"""Initial weights are drawn by NumPy, with the variances of Keras' initialisers."""

import keras
import numpy as np
import pytest

from pippin import networks
from pippin.networks.initial_weights import deferred_weights, drawn, zeros

INITIALIZERS = keras.initializers


@pytest.mark.parametrize("shape", [(64, 128), (3, 3, 32, 64)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["untruncated_normal", "uniform"])
def test_draws_have_the_variance_and_the_range_of_keras(distribution, mode, shape):
    initializer = INITIALIZERS.VarianceScaling(1.7, mode, distribution, seed=3)
    ours, theirs = np.asarray(drawn(initializer)(shape)), keras.ops.convert_to_numpy(initializer(shape))
    assert ours.dtype == "float32"
    assert ours.std() == pytest.approx(theirs.std(), rel=0.05)
    assert abs(ours.mean()) < 0.05 * ours.std() + ours.std() / 50
    if distribution == "uniform":
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
        assert np.abs(ours).max() <= 3**0.5 * ours.std() * 1.1


def test_a_seed_gives_the_same_draw_again_and_another_seed_another():
    first, again, other = (np.asarray(drawn(INITIALIZERS.GlorotUniform(seed=seed))((8, 8))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "initializer",
    [INITIALIZERS.Ones(), INITIALIZERS.Orthogonal(seed=1), INITIALIZERS.HeNormal(seed=1), len],
)
def test_other_initialisers_stay(initializer):
    assert drawn(initializer) is initializer  # HeNormal is truncated


def test_a_vector_is_drawn_by_keras():
    initializer = INITIALIZERS.GlorotUniform(seed=1)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(drawn(initializer)((5,))), keras.ops.convert_to_numpy(initializer((5,)))
    )


def test_weights_that_are_loaded_are_zero_and_random_state_is_not():
    with deferred_weights(zeros):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5, seed=7)])
    assert not np.any(model.layers[0].get_weights()[0])
    assert np.any(keras.ops.convert_to_numpy(model.layers[1].seed_generator.state.value))


def test_nothing_is_left_behind_after_an_error():
    def fail():
        with deferred_weights():
            keras.layers.Dense(3).build((None, 4))
            raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()
    with deferred_weights():
        layer = keras.layers.Dense(2, kernel_initializer="zeros")
        layer.build((None, 4))
    assert [weight.shape for weight in layer.get_weights()] == [(4, 2), (2,)]


def test_networks_keep_keras_own_initialisers_and_have_the_same_weights_on_every_engine():
    layer = networks.build("standard", 16, 32).generator.get_layer("conv4a")
    initializer = layer.get_config()["kernel_initializer"]
    assert initializer["class_name"] == "VarianceScaling"
    kernel = layer.get_weights()[0]
    variance = initializer["config"]["scale"] / (9 * kernel.shape[2])
    expected = np.random.default_rng(initializer["config"]["seed"]).normal(0, variance**0.5, kernel.shape)
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
