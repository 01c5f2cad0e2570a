"""The user's configuration of Keras changes nothing that Pippin builds, and Pippin does not change it."""

import contextlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin import networks
from pippin.engines.inference import model_inference, parameters_of
from pippin.errors import NetworkError
from pippin.host.keras_config import default_keras_config
from pippin.networks import efficientnet, projector
from pippin.runs.network_files import read_network, write_network

CONFIGS = {
    "channels first": {"data_format": "channels_first"},
    "half precision": {"floatx": "float16"},
    "double precision": {"floatx": "float64"},
    "mixed precision": {"policy": "mixed_float16"},
    "bfloat16": {"policy": "bfloat16"},
    "a large epsilon": {"epsilon": 0.1},
    "all": {"data_format": "channels_first", "floatx": "float16", "policy": "mixed_bfloat16", "epsilon": 0.1},
}


def configuration():
    config = keras.config
    return config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy().name


@contextlib.contextmanager
def configured(data_format="channels_last", floatx="float32", policy=None, epsilon=1e-7):
    """Set the user's configuration for the block, and assert that the block leaves it as it is."""

    def configure(data_format, floatx, epsilon, policy):
        keras.config.set_image_data_format(data_format)
        keras.config.set_floatx(floatx)
        keras.config.set_epsilon(epsilon)
        keras.config.set_dtype_policy(policy)

    before = configuration()
    try:
        configure(data_format, floatx, epsilon, policy or floatx)
        users = configuration()
        yield
        assert configuration() == users
    finally:
        configure(*before)


def outputs(model):
    """Return a model's outputs for fixed inputs."""
    inputs = np.random.default_rng(0).uniform(-1, 1, (2, *model.input_shape[1:])).astype("float32")
    found = model_inference(model, 2)(parameters_of(model), inputs)
    return found if isinstance(found, list) else [found]


BUILT = {
    "generator": lambda: networks.build("standard", 16, 4, seed=1).generator,
    "discriminator": lambda: networks.build("standard", 16, 4, seed=1).discriminator,
    "classic generator": lambda: networks.build("classic", 16, 4, seed=1).generator,
    "classic discriminator": lambda: networks.build("classic", 16, 4, seed=1).discriminator,
    "projector": lambda: projector.build(16, 3),
    "maps": lambda: efficientnet.build(32, (0, 1)),
}


@pytest.fixture(scope="module")
def expected():
    """Each network's outputs with Keras' own configuration."""
    return {name: outputs(build()) for name, build in BUILT.items()}


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("config", [pytest.param("mixed precision", marks=pytest.mark.slow), "all"])
def test_networks_are_built_and_computed_in_the_same_way(expected, tmp_path, name, config):
    with configured(**CONFIGS[config]):
        model = BUILT[name]()
        models = [model]
        if name.endswith("or") and name != "projector":  # a run stores generators and discriminators as JSON
            write_network(tmp_path / "network.json", model)
            models.append(read_network(tmp_path / "network.json"))
            models[1].set_weights(model.get_weights())
        found = [outputs(model) for model in models]
    for model, arrays in zip(models, found, strict=True):
        assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
        for array, value in zip(arrays, expected[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, value)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two batches, trained with Keras' own configuration."""
    return tiny.train(tmp_path_factory.mktemp("trained") / "run", batches=2)


@pytest.mark.parametrize("config", CONFIGS)
def test_training_gives_the_same_state(tmp_path, trained, config):
    own = {"generator": tiny.generator(), "discriminator": tiny.discriminator()}
    with configured(**CONFIGS[config]):
        run = tiny.train(tmp_path / "run", batches=2, **own)
        state = tiny.state(run)
        assert run.sample(1).shape == (1, 16, 16, 3)
    assert tiny.same(state, tiny.state(trained))


def test_a_run_opens_under_any_configuration(trained):
    expected = trained.sample(3)
    for config in ("channels first", "all"):
        with configured(**CONFIGS[config]):
            opened = pippin.open_run(trained.path)
            np.testing.assert_array_equal(opened.sample(3), expected)
            assert opened.directions(recompute=True).vectors.dtype == np.float32


def test_an_export_for_keras_does_not_depend_on_the_configuration(tmp_path, trained):
    with configured(**CONFIGS["all"]):
        path = pippin.open_run(trained.path).export("keras", tmp_path / "a.keras")
    model = keras.saving.load_model(path)
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    with configured(**CONFIGS["all"]):
        pippin.open_run(trained.path).export("onnx", tmp_path / "a.onnx")  # compares it with Keras


@pytest.mark.parametrize("policy", ["mixed_float16", "float64", "bfloat16"])
@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_own_networks_in_another_precision_are_refused(tmp_path, policy, which):
    with configured(policy=policy):
        own = getattr(tiny, which)()
    options = {"generator": tiny.generator(), "discriminator": tiny.discriminator(), which: own}
    with pytest.raises(
        NetworkError, match=rf"The {which} must compute in float32; build it .* Received: .* in {policy}"
    ):
        pippin.train(tiny.pictures(), tmp_path / "run", batches=2, batch_size=4, **options)
    assert not (tmp_path / "run").exists()


def test_the_configuration_is_restored_after_an_error():
    with configured(**CONFIGS["all"]):
        with default_keras_config():
            assert configuration() == ("channels_last", "float32", 1e-7, "float32")
        with pytest.raises(ZeroDivisionError), default_keras_config():
            _ = 1 / 0
        with pytest.raises(NetworkError):
            networks.build("classic", 16, 4, labels=2)


def test_keras_own_sets_keep_their_axes(monkeypatch):
    from pippin.pictures.sources.keras_sets import open_keras_set

    formats = []

    def load():
        formats.append(keras.config.image_data_format())
        return (tiny.pictures(3), None), None

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", load)
    with configured(**CONFIGS["channels first"]):
        open_keras_set("keras:cifar10")
    assert formats == ["channels_last"]


# -- keras.json, which Keras reads when it is loaded -----------------------------------------------------------------


def info(tmp_path, text, **environment):
    """Return what `pippin info` of a folder without a run prints to standard error under a `keras.json`."""
    (tmp_path / "keras.json").write_text(text, encoding="utf-8")
    env = {**os.environ, "KERAS_HOME": str(tmp_path), **environment}
    words = [sys.executable, "-W", "ignore", "-m", "pippin", "info", str(tmp_path)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ['{"floatx": "float8"}', '{"image_data_format": "nchw"}', '{"epsilon": "x"}', "[1]", '{"backend": ["jax"]}'],
)
def test_a_keras_json_that_keras_refuses_is_one_line(tmp_path, text):
    error = info(tmp_path, text)
    assert error.startswith("pippin: "), error
    assert error.count("\n") == 1
    assert "keras.json" in error or "There is no run there" in error


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["", "numpy", "odd", "TensorFlow"])
def test_an_odd_backend_is_one_line(tmp_path, backend):
    error = info(tmp_path, json.dumps({"backend": backend}), KERAS_BACKEND=backend)
    expected = f"Received: KERAS_BACKEND={backend}" if backend else "There is no run there"
    assert error.startswith("pippin: "), error
    assert error.count("\n") == 1
    assert expected in error
