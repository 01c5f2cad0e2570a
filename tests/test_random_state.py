"""Global random generators belong to the user's program; Pippin draws from generators of its own."""

import contextlib
import random

import keras
import numpy as np
import pytest
import tiny
from across_engines import small_discriminator
from keras import layers

import pippin
from pippin import engines, networks
from pippin.networks import classic, efficientnet, projector, standard
from pippin.networks.random_state import preserved_random_state, temporary_global_seed
from pippin.runs.network_files import check_rebuildable

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module", autouse=True)
def engine():
    return engines.current()


def draw_from_all():
    """Return the next number of every global generator, each as a float."""
    numbers = {"python": random.random(), "numpy": np.random.random()}
    numbers["keras"] = float(keras.ops.convert_to_numpy(keras.random.uniform(())))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        numbers["tensorflow"] = float(tf.random.uniform(()))
    if BACKEND == "torch":
        import torch

        numbers["torch"] = float(torch.rand(()))
    return numbers


@contextlib.contextmanager
def unchanged_generators():
    """Assert that the global generators go on after the block as if it had not run."""
    keras.utils.set_random_seed(12)
    draw_from_all()
    expected = draw_from_all()
    keras.utils.set_random_seed(12)
    draw_from_all()
    yield
    assert draw_from_all() == expected


def weights(built):
    return [
        keras.ops.convert_to_numpy(variable.value)
        for model in built
        if model is not None
        for variable in model.variables
    ]


@pytest.mark.parametrize("options", [{}, {"labels": 3}, {"features": "efficientnet-lite0"}], ids=str)
def test_building_the_standard_networks_leaves_the_global_generators_alone(options):
    with unchanged_generators():
        networks.build("standard", 16, 8, **options)


def test_building_the_classic_networks_leaves_the_global_generators_alone():
    with unchanged_generators():
        networks.build("classic", 16, 8)


def test_building_pretrained_features_leaves_the_global_generators_alone():
    with unchanged_generators():
        projector.build(16)
        efficientnet.build_pooled("efficientnet-lite0")


@pytest.mark.parametrize("preset", list(networks.BUILDERS))
def test_the_global_generators_do_not_matter_for_the_weights(preset):
    keras.utils.set_random_seed(1)
    one = weights(networks.build(preset, 16, 8, seed=3))
    keras.utils.set_random_seed(2)
    other = weights(networks.build(preset, 16, 8, seed=3))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build", [standard.build, classic.build])
def test_no_two_layers_have_the_same_seed(build):
    configs = [layer.get_config() for model in build(32, 8, seed=5) for layer in model.layers]
    seeds = [config["kernel_initializer"]["config"]["seed"] for config in configs if "kernel_initializer" in config]
    assert len(seeds) > 6
    assert None not in seeds
    assert len(set(seeds)) == len(seeds)


def test_trying_a_discriminator_leaves_the_global_generators_alone():
    discriminator = small_discriminator(layers.Dropout(0.5), layers.GaussianNoise(1.0))
    with unchanged_generators():
        networks.treats_images_independently(discriminator)


@keras.saving.register_keras_serializable("tests")
class GlobalNoise(layers.Layer):
    """Noise from Keras' global generator, as of a function that is called without a seed."""

    def call(self, inputs):
        return inputs + keras.random.normal(keras.ops.shape(inputs))


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no global generator to draw from inside a compiled function")
def test_noise_from_a_global_generator_does_not_make_images_dependent():
    discriminator = small_discriminator(GlobalNoise())
    with unchanged_generators():
        assert networks.treats_images_independently(discriminator)


def test_a_temporary_seed_decides_every_global_generator_and_ends_with_its_block():
    with unchanged_generators():
        with temporary_global_seed(7):
            one = draw_from_all()
        with temporary_global_seed(7):
            assert draw_from_all() == one
        with contextlib.suppress(ZeroDivisionError), temporary_global_seed(7):
            raise ZeroDivisionError


def test_the_state_is_restored_after_an_error_too():
    random.seed(3)
    state = random.getstate()
    with contextlib.suppress(ZeroDivisionError), preserved_random_state():
        random.random()
        raise ZeroDivisionError
    assert random.getstate() == state


@pytest.mark.slow
def test_planning_training_and_sampling_leave_the_global_generators_alone(tmp_path):
    pair = {"generator": tiny.generator(), "discriminator": tiny.discriminator()}
    images = tiny.pictures(40)
    with unchanged_generators():
        pippin.plan(images, image_size=16, batches=2, features="none")
        check_rebuildable(tuple(pair.values()))
        run = pippin.train(images, tmp_path / "run", batches=2, batch_size=4, **pair)
        pippin.train(images, tmp_path / "run", batches=2, batch_size=4, **pair)
        pippin.open_run(run.path).sample(2)
        run.walk([1, 2], 3)
