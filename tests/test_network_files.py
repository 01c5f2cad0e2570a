"""Networks of someone else: only Keras' layers are opened, and nothing else of Keras is called."""

import copy
import json
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
import tiny
from keras import layers, ops

import pippin
from pippin.errors import NetworkError, RunError
from pippin.runs import network_files
from pippin.runs.allowed_layers import ACTIVATIONS, CLASSES
from pippin.runs.network_files import check_rebuildable, read_network, write_network

ROOT = Path(__file__).parent.parent
POLICY = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}


def stored(model):
    """Return the JSON of a model as a run stores it."""
    return json.loads(model.to_json())


def read(folder, value):
    """Write JSON as a network's file, and read it as a run does."""
    path = folder / "generator.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return read_network(path)


def lambda_layer(function, arguments):
    """Return the JSON of a `Lambda` layer that calls a function of Keras, as Keras writes it."""
    module, name = function.rsplit(".", 1)
    stored_function = {"module": module, "class_name": "function", "config": name, "registered_name": name}
    config = {"name": "lambda", "trainable": True, "dtype": POLICY, "function": stored_function, "arguments": arguments}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config, "registered_name": None}


def with_layer(layer):
    """Return the JSON of the tiny generator with one more layer at its end."""
    value = stored(tiny.generator())
    value["config"]["layers"].append(layer)
    return value


def gallery(path):
    """Return a network that writes a picture to a path when Keras builds it, although Keras' safe mode is on."""
    layer = lambda_layer("keras.visualization.plot_image_gallery", {"path": str(path), "value_range": [0, 255]})
    images = {"class_name": "__numpy__", "config": {"value": np.zeros((1, 2, 2, 3)).tolist(), "dtype": "float32"}}
    value = stored(functional())
    value["config"]["layers"].append({**layer, "name": "lambda", "inbound_nodes": [{"args": [images], "kwargs": {}}]})
    return value


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["sample", "diagram", "export", "train --from", "resume"])
def test_a_lambda_that_names_a_function_of_keras_writes_no_file(verb, tmp_path):
    tiny.train(tmp_path / "run", batches=2)
    target = tmp_path / "picture of the user.png"
    tiny.forge(tmp_path / "run", generator=gallery(target), discriminator=gallery(target))
    run = pippin.open_run(tmp_path / "run")
    call = {
        "sample": lambda: run.sample(1),
        "diagram": run.diagram,
        "export": lambda: run.export("keras"),
        "train --from": lambda: tiny.train(tmp_path / "new", from_run=tmp_path / "run", batches=1),
        "resume": lambda: tiny.train(tmp_path / "run", batches=2) and run.sample(1),
    }[verb]
    with pytest.raises(RunError, match=r"(gener|discrimin)ator\.json .* Lambda \(lambda\) of the module keras\.layers"):
        call()
    assert not target.exists()


FUNCTION = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
OTHERS = {
    "a function as an activation": (
        {"activation": {"module": "keras.utils", "class_name": "function", "config": "get_file"}},
        "the module of a function",
    ),
    "another function of the activations' module": (
        {"activation": {"module": "keras.activations", "class_name": "function", "config": "deserialize"}},
        "deserialize",
    ),
    "an activation that Keras does not have": ({"activation": "os.system"}, "activation function .* is os.system"),
    "a quantised data type": ({"dtype": "int8_from_float32"}, "data type"),
    "a policy of several data types": ({"dtype": {**POLICY, "class_name": "DTypePolicyMap"}}, "DTypePolicyMap"),
    "a lambda of Python": (
        {"kernel_initializer": {"class_name": "__lambda__", "config": {"value": "x"}}},
        "__lambda__",
    ),
    "a type of TensorFlow": ({"kernel_initializer": {"class_name": "__typespec__", "config": [1]}}, "no configuration"),
    "an optimiser": (
        {"kernel_regularizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {}}},
        r"Adam of the module keras\.optimizers",
    ),
    "a class of another module": (
        {"kernel_initializer": {"module": "os", "class_name": "Zeros", "config": {}}},
        "Zeros of the module os",
    ),
    "a list as a class": ({"kernel_initializer": {"module": "os", "class_name": ["Zeros"], "config": {}}}, "no class"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_layer_with_another_value_is_refused(what, tmp_path):
    settings, message = OTHERS[what]
    value = stored(tiny.generator())
    value["config"]["layers"][1]["config"].update(settings)
    with pytest.raises(RunError, match=message):
        read(tmp_path, value)


@pytest.mark.parametrize("name", ["TFSMLayer", "TorchModuleWrapper", "JaxLayer", "StringLookup", "Pipeline", "Layer"])
def test_layers_that_load_or_run_something_else_are_refused(name, tmp_path):
    layer = {"module": "keras.layers", "class_name": name, "config": {"filepath": "x"}, "registered_name": None}
    with pytest.raises(RunError, match=name):
        read(tmp_path, with_layer(layer))


@pytest.mark.parametrize("name", ["Map", "Scan", "WhileLoop", "Cond", "VectorizedMap", "ForiLoop"])
def test_operations_that_call_functions_are_refused(name, tmp_path):
    with pytest.raises(RunError, match=name):
        read(tmp_path, with_layer({"module": "keras.src.ops.core", "class_name": name, "config": {}}))


def functional():
    """Return a functional generator with an operation."""
    latents = keras.Input((4,))
    x = layers.Reshape((16, 16, 3))(layers.Dense(768)(latents))
    return keras.Model(latents, ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, 0))), name="generator")


@pytest.mark.parametrize(
    "argument",
    [FUNCTION, POLICY, {"class_name": "__lambda__", "config": {}}, {"class_name": "__numpy__", "config": {"value": 1}}],
    ids=["function", "object", "lambda", "array without a type"],
)
@pytest.mark.parametrize("place", ["args", "kwargs"])
def test_an_argument_that_is_no_tensor_and_no_plain_value_is_refused(place, argument, tmp_path):
    value = stored(functional())
    node = value["config"]["layers"][-1]["inbound_nodes"][0]
    node["args"].append(argument) if place == "args" else node["kwargs"].update(more=argument)
    with pytest.raises(RunError, match="neither a tensor nor a plain value"):
        read(tmp_path, value)


def test_arrays_of_objects_are_refused(tmp_path):
    value = stored(functional())
    array = {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}}
    value["config"]["layers"][-1]["inbound_nodes"][0]["args"].append(array)
    with pytest.raises(RunError, match="data type of an argument"):
        read(tmp_path, value)


@keras.saving.register_keras_serializable("tests_of_network_files")
class Registered(layers.Layer):
    """A layer that an imported package registered."""

    calls = 0

    def __init__(self, **options):
        super().__init__(**options)
        Registered.calls += 1

    def call(self, inputs):
        return inputs


NAME = "tests_of_network_files>Registered"


@pytest.mark.parametrize("place", ["own class", "name of another class", "text"])
def test_a_registered_class_is_not_used(place, tmp_path):
    value = stored(tiny.generator())
    if place == "own class":
        value = with_layer(keras.saving.serialize_keras_object(Registered()))
    elif place == "name of another class":  # Keras prefers the registered class
        value["config"]["layers"][1]["registered_name"] = NAME
    else:
        value["config"]["layers"][1]["config"]["kernel_initializer"] = NAME
    before = Registered.calls
    if place == "name of another class":
        assert type(read(tmp_path, value).layers[0]) is layers.Dense
    else:
        with pytest.raises(RunError, match=r"generator\.json"):
            read(tmp_path, value)
    assert Registered.calls == before


def test_classes_that_the_caller_names_are_used(tmp_path):
    model = keras.Sequential([keras.Input((4,)), Registered(), *tiny.generator().layers], name="generator")
    with pytest.raises(NetworkError, match="custom_object_scope"):
        check_rebuildable([model])
    with keras.saving.custom_object_scope({NAME: Registered}):
        check_rebuildable([model])
        assert type(read(tmp_path, stored(model)).layers[0]) is Registered


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"class_name": "Sequential"},
        {"class_name": ["Sequential"], "config": {}},
        {"module": "keras", "class_name": "Sequential", "config": {"name": "x", "layers": [1]}},
        {"module": "keras", "class_name": "Sequential", "config": {"name": "x", "layers": []}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}},
    ],
)
def test_json_that_is_no_model_is_refused(value, tmp_path):
    with pytest.raises(RunError, match=r"generator\.json is damaged, or holds a network that Pippin does not open"):
        read(tmp_path, value)


def test_layers_in_the_format_of_keras_2_are_refused(tmp_path):
    value = stored(tiny.generator())
    del value["config"]["layers"][1]["module"]
    with pytest.raises(RunError, match="of the module None"):
        read(tmp_path, value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "\ud800", "1" * 5000, b"\xff"])
def test_text_that_is_no_json_is_refused(text, tmp_path):
    path = tmp_path / "generator.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunError, match=r"generator\.json is damaged"):
        read_network(path)


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "generator.json"
    with path.open("wb") as file:
        file.truncate(network_files.MAX_FILE_BYTES + 1)  # sparse
    with pytest.raises(RunError, match="larger than the limit of 64 MiB"):
        read_network(path)


# -- memory ----------------------------------------------------------------------------------------------------------


def test_a_declared_layer_of_10_gb_is_refused_before_it_takes_memory(tmp_path):
    value = stored(tiny.generator())
    value["config"]["layers"][1]["config"]["units"] = 625_000_000
    del value["config"]["layers"][2]
    with pytest.raises(RunError, match=r"its weights would take 11\.6 GiB, and the limit is 4\.0 GiB"):
        read(tmp_path, value)


def test_a_feature_map_of_10_gb_is_refused(tmp_path):
    large = keras.saving.serialize_keras_object(layers.UpSampling2D(2000))
    with pytest.raises(RunError, match=r"a feature map of one image would take .* GiB, and the limit is 1\.0 GiB"):
        read(tmp_path, with_layer(large))


def test_a_check_refuses_a_model_before_its_weights_exist(tmp_path):
    write_network(tmp_path / "generator.json", tiny.generator())
    seen = []

    def check(model):
        seen.extend(tuple(variable.shape) for variable in model.weights)
        raise RunError("refused")

    with pytest.raises(RunError, match="refused"):
        read_network(tmp_path / "generator.json", check)
    assert seen == [(4, 768), (768,)]
    later = tiny.generator()  # variables are made as usual after that
    assert all(np.isfinite(weights).all() for weights in later.get_weights())


# -- what opens ------------------------------------------------------------------------------------------------------


def many_layers():
    """Return a network of many kinds of layers and operations, as users write them."""
    images = keras.Input((8, 8, 4))
    x = ops.mean(images, axis=-1, keepdims=True) * 2.0 + images
    x = ops.concatenate([ops.image.resize(ops.nn.relu(x), (16, 16))[:, ::2, ::2]] * 2, axis=-1)
    x = ops.where(x > 0, x, 0.1 * x) / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)
    x = layers.Activation(keras.activations.gelu)(ops.reshape(x, (-1, 8, 8, 8)))
    options = {"kernel_regularizer": "l2", "kernel_constraint": "max_norm", "activation": keras.ops.tanh}
    x = layers.Conv2D(3, 3, kernel_initializer=keras.initializers.HeNormal(), **options)(x)
    x = layers.SpectralNormalization(layers.Conv2D(3, 3))(layers.Dropout(0.1)(x))
    x = layers.Activation(layers.ReLU())(layers.GroupNormalization(1)(layers.LeakyReLU(0.2)(x)))
    x = ops.clip(ops.transpose(ops.cast(-x, "float32"), (0, 2, 1, 3)), -1, 1) * np.ones(3, "float32")
    x = layers.MultiHeadAttention(2, 2)(x, x)[..., :2]
    x = layers.RandomFlip()(layers.Rescaling([1.0, 2.0])(ops.einsum("bijc->bjic", x)))
    inner = keras.Sequential([keras.Input(x.shape[1:]), layers.Conv2DTranspose(4, 4, 2, "same"), layers.PReLU()])
    model = keras.Model(images, layers.BatchNormalization()(inner(x)))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("make", [many_layers, functional, tiny.generator, tiny.discriminator])
def test_networks_of_users_open_as_they_were_stored(make, tmp_path):
    model = make()
    write_network(tmp_path / "generator.json", model)
    opened = read_network(tmp_path / "generator.json")
    before, after = ({**stored(network), "compile_config": None} for network in (model, opened))
    assert after == before
    opened.set_weights(model.get_weights())
    images = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    results = [keras.ops.convert_to_numpy(network(images, training=False)) for network in (model, opened)]
    np.testing.assert_array_equal(*results)


def test_opening_a_network_changes_nothing_of_its_json(tmp_path):
    value = stored(many_layers())
    before = copy.deepcopy(value)
    read(tmp_path, value)
    assert value == before


def test_every_name_of_the_allowed_layers_exists_in_keras():
    missing = [n for n in CLASSES["keras.layers"] if not issubclass(getattr(layers, n, type), layers.Layer)]
    assert not missing
    assert all(callable(getattr(keras.activations, name, None)) for name in ACTIVATIONS - {"swish", "hard_swish"})


# -- the safe mode of Keras, which is the second line of defence -----------------------------------------------------


def test_the_lowest_version_of_keras_is_the_one_whose_safe_mode_is_tested_here():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert "keras>=3.15.1" in dependencies
    assert tuple(map(int, keras.__version__.split(".")[:3])) >= (3, 15, 1)


SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda_layer("os.system", {}), "Could not locate function 'system'"),
        ({**lambda_layer("a.b", {}), "config": {"name": "lambda", "function": LAMBDA}}, "arbitrary code execution"),
        ({"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}}, "Could not locate class 'Popen'"),
        (lambda_layer("keras.utils.get_file", {"fname": "x", "origin": "y"}), "not a modeling function"),
        (lambda_layer("keras.config.enable_unsafe_deserialization", {}), "not a modeling function"),
    ],
    ids=["function of another module", "lambda", "class of another module", "download", "switching safe mode off"],
)
def test_the_safe_mode_of_keras_refuses_code(layer, message):
    with pytest.raises((ValueError, TypeError), match=message):
        keras.models.model_from_json(json.dumps(with_layer(layer)))


@pytest.mark.parametrize("make", [many_layers, functional, tiny.generator, tiny.discriminator])
def test_weights_that_are_loaded_afterwards_need_not_be_drawn(make, tmp_path):
    model = make()
    write_network(tmp_path / "generator.json", model)
    opened = read_network(tmp_path / "generator.json", drawn=False)
    assert not any(np.any(weight) for weight in opened.get_weights() if weight.dtype.kind == "f")
    assert [weight.dtype for weight in opened.get_weights()] == [weight.dtype for weight in model.get_weights()]
    opened.set_weights(model.get_weights())
    images = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    results = [keras.ops.convert_to_numpy(network(images, training=False)) for network in (model, opened)]
    np.testing.assert_array_equal(*results)
    assert stored(opened)["config"] == stored(model)["config"]
