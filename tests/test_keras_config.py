"""The user's configuration of Keras changes nothing that Pippin builds, and Pippin does not change it."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny

import pippin
from pippin import engines, networks
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

INSTALLED = [name for name, module in engines.ENGINES.items() if engines._installed(module)]


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


ODD = {
    "backend": "openvino",
    "floatx": "float16",
    "image_data_format": "channels_first",
    "epsilon": 0.1,
    "max_epochs": 1,
    "unknown": [1],
}
"""A configuration that Keras accepts, although its backend is no engine of Pippin's, and may not be installed."""

TRAIN = """
import sys
import keras
import pippin, tiny
from pippin import networks
from pippin.host.keras_config import default_keras_config
networks.build = default_keras_config()(tiny.build)
def configuration():
    config = keras.config
    return config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy().name
def train(name):
    run = pippin.train(tiny.pictures(), name, image_size=16, batches=2, batch_size=4)
    return run, tiny.state(run), run.sample(2)
assert configuration() == ("channels_first", "float16", 0.1, "float16")
run, state, images = train("configured")
run.export("keras")
assert configuration() == ("channels_first", "float16", 0.1, "float16")
with default_keras_config():
    _, expected_state, expected_images = train("plain")
assert tiny.same(state, expected_state)
assert (images == expected_images).all()
print(run.about["engine"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", INSTALLED)
def test_a_run_under_an_odd_keras_json_is_the_same_with_each_engine(tmp_path, engine):
    (tmp_path / "keras.json").write_text(json.dumps(ODD), encoding="utf-8")
    tests = os.path.dirname(__file__)
    paths = os.pathsep.join([os.path.dirname(tests), tests])
    env = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": engine, "PYTHONPATH": paths}
    script = [sys.executable, "-c", TRAIN]
    done = subprocess.run(script, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{engine}\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", ['{"floatx": "float16", ', json.dumps(ODD)])
def test_without_a_choice_of_the_user_an_installed_engine_is_used(tmp_path, text):
    error = info(tmp_path, text, KERAS_BACKEND="")
    assert error.startswith("pippin: There is no run there")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_keras_json_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "keras.json").mkdir()
    error = info(tmp_path, None)
    assert error.startswith("pippin: Keras cannot be loaded (")
    assert error.endswith(f"Received: {tmp_path / 'keras.json'}\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("home", "keras_home", "path"),
    [
        ("home", None, "home/.keras/keras.json"),
        ("nowhere", None, "/tmp/.keras/keras.json"),  # Keras writes its configuration, so it needs a writable folder
        ("home", "~/other", "home/other/keras.json"),
        ("home", "odd", "odd/keras.json"),
        ("home", "", "keras.json"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the home folder has another variable")
def test_the_configuration_file_is_looked_for_where_keras_does(monkeypatch, tmp_path, home, keras_home, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", home)
    if keras_home is None:
        monkeypatch.delenv("KERAS_HOME", raising=False)
    else:
        monkeypatch.setenv("KERAS_HOME", keras_home)
    assert engines._keras_json_path() == Path(path)


def info(tmp_path, text, **environment):
    """Return what `pippin info` of a folder without a run prints to standard error under a `keras.json`."""
    if text is not None:
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
@pytest.mark.parametrize("backend", ["numpy", "odd", "TensorFlow"])
def test_an_odd_backend_is_one_line(tmp_path, backend):
    error = info(tmp_path, json.dumps({"backend": backend}), KERAS_BACKEND=backend)
    assert error.startswith("pippin: "), error
    assert error.count("\n") == 1
    assert f"Received: KERAS_BACKEND={backend}" in error
