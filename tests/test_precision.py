"""bfloat16 for the generator and the projector: close to float32, and float32 where it matters."""

import keras
import numpy as np
import pytest
from across_engines import numpy_state, step_batch
from keras import layers

from pippin import engines
from pippin.errors import SettingsError
from pippin.networks import Networks
from pippin.networks.precision import computing_in
from pippin.settings import Settings
from pippin.training.step import build_step


def tiny_networks():
    """Return a generator with batch normalisation, a projector of two maps, and a discriminator of these maps."""
    stack = [layers.Dense(8 * 8 * 8), layers.BatchNormalization(), layers.LeakyReLU(), layers.Reshape((8, 8, 8))]
    last = [layers.UpSampling2D(), layers.Conv2D(3, 3, padding="same", activation="tanh")]
    generator = keras.Sequential([keras.Input((8,)), *stack, *last])
    images = keras.Input((16, 16, 3))
    fine = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", trainable=False)(images)
    coarse = layers.Conv2D(8, 3, strides=2, padding="same", trainable=False)(fine)
    projector = keras.Model(images, [fine, coarse])
    maps = [keras.Input(x.shape[1:]) for x in (fine, coarse)]
    logits = [layers.Dense(1, use_bias=False)(layers.Flatten()(layers.Conv2D(8, 3)(x))) for x in maps]
    return Networks(generator, keras.Model(maps, layers.Concatenate()(logits)), projector)


def test_a_step_in_bfloat16_is_close_to_one_in_float32():
    engine, built = engines.current(), tiny_networks()
    start, results = numpy_state(*built[:2]), {}
    batch = step_batch(n=0, augment_p=0.0, reconstruction=1.0)
    for precision in ("float32", "bfloat16"):
        step = engine.jit(build_step(engine, built, "relativistic", precision=precision, compiled=False))
        results[precision] = engine.to_host(step(*engine.to_device((start, batch))))
    (exact, exact_measures), (rounded, measures) = results["float32"], results["bfloat16"]
    for name, value in exact_measures.items():
        assert measures[name].dtype == np.float32
        assert measures[name] == pytest.approx(value, rel=0.05, abs=0.02), name
    assert not np.array_equal(exact["generator"]["weights"][0], rounded["generator"]["weights"][0])
    for player in ("generator", "discriminator"):
        gradients = [np.concatenate([g.ravel() for g in state[player]["first_moment"]]) for state in (exact, rounded)]
        assert all(array.dtype == np.float32 for array in rounded[player]["weights"])
        assert np.dot(*gradients) / np.prod([np.linalg.norm(g) for g in gradients]) > 0.99


def test_a_model_computes_in_float32_again_after_the_block():
    generator = tiny_networks().generator
    latents = np.zeros((1, 8), np.float32)
    with computing_in("bfloat16", generator):
        assert keras.backend.standardize_dtype(generator(latents).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(generator(latents).dtype) == "float32"


def test_an_unknown_precision_is_refused():
    with pytest.raises(SettingsError, match="precision must be one of float32, bfloat16"):
        Settings(precision="float16")
