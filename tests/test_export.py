"""What is taken away paints what Keras paints; what cannot be taken is said in one line."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from keras import layers

from pippin import networks
from pippin.engines import ENGINES
from pippin.errors import ExportError
from pippin.export import Trained, export, huggingface, onnx_layers
from pippin.export.trained import TOLERANCE
from pippin.settings import Settings, choose

ABOUT = {
    "source": "home/somebody/apples",
    "pictures": 1083,
    "held_out": 120,
    "reasons": {"seed": "any number will do"},
    "engine": "tensorflow",
    "versions": {"pippin": "0.1.0", "keras": "3.15.1"},
    "machine": "x86_64, 2 cores, CPU",
}
AUDIT = {"kept": 1190, "mended": 13, "refused": 2}


def trained(generator, evaluation=None, **changes):
    """Return a generator as a run gives it away."""
    size = generator.output_shape[1]
    settings = choose("standard", size if size in (16, 32) else 16).settings
    about = {"about": ABOUT, "batches": 500, "seconds": 600.0, "best": (400, 0.0123), "audit": AUDIT}
    return Trained("apples", generator, settings, evaluation=evaluation, **{**about, **changes})


def shaken(model, seed=0):
    """Return a model whose biases and statistics are no longer zero and one, as after training."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            if len(weight.shape) == 1:
                weight.assign(weight.numpy() if weight.dtype != "float32" else rng.uniform(0.5, 1.5, weight.shape))
    return model


@pytest.fixture(scope="module", params=["classic", "standard"])
def preset(request):
    return shaken(networks.build(request.param, 16, 32).generator)


def latents(count, latent_dim, seed=5):
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype("float32")


def painted_by_keras(model, given):
    return keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(given), training=False))


def painted_by_onnx(file, given):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (images,) = session.run(["images"], {"latents": given})
    return images


# -- ONNX ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_paints_what_keras_paints_for_any_number_of_pictures(preset, tmp_path, count):
    given = latents(count, 32)
    file = export(trained(preset), "onnx", tmp_path / "new" / "generator.onnx")
    images, expected = painted_by_onnx(file, given), painted_by_keras(preset, given)
    assert images.shape == (count, 16, 16, 3)
    np.testing.assert_allclose(images, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.01, "there is something to see"
    assert os.listdir(file.parent) == ["generator.onnx"]


def test_onnx_says_what_it_is(tmp_path):
    file = export(trained(tiny.generator()), "onnx", tmp_path / "generator.onnx")
    model = onnx.load(file)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["name"] == "apples"
    assert about["latent_dim"] == str(tiny.LATENT_DIM)
    assert about["batches"] == "400", "those of the best"
    assert json.loads(about["settings"])["latent_dim"] == Settings().latent_dim
    assert "somebody" not in str(model), "whose machine it was is nobody's business"


def maps(*more, inputs=(6, 6, 8)):
    """Return a generator that leads a map through some layers."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,))
    y = layers.Reshape(inputs)(layers.Dense(int(np.prod(inputs)))(x))
    for layer in more:
        y = layer(y)
    if len(y.shape) != 4:
        y = layers.Reshape((6, 6, 3))(layers.Dense(6 * 6 * 3)(layers.Flatten()(y)))
    return shaken(keras.Model(x, layers.Conv2D(3, 1)(y)))


def gated(y):
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return layers.Multiply()([y, gate])


def summed(kind):
    return lambda y: kind()([layers.Conv2D(8, 1)(y), y, layers.LeakyReLU()(y)])


def nested(y):
    inner = keras.Sequential([keras.Input((6, 6, 8)), layers.Conv2D(8, 3, padding="same"), layers.ReLU()])
    return layers.Add()([inner(y), inner(layers.Dropout(0.5)(y))])


def around(mode, width):
    return lambda y: keras.ops.pad(y, ((0, 0), (width, width), (width, width), (0, 0)), mode=mode)


KINDS = {
    "strided": [layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")],
    "valid": [layers.Conv2D(8, 3, activation="silu", use_bias=False)],
    "dilated": [layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="elu")],
    "groups": [layers.Conv2D(8, 3, groups=4, padding="same", activation="leaky_relu")],
    "depthwise": [layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu6")],
    "transposed 4": [layers.Conv2DTranspose(8, 4, strides=2, padding="same", activation="tanh")],
    "transposed 3": [layers.Conv2DTranspose(8, 3, strides=2, padding="same")],
    "transposed 1": [layers.Conv2DTranspose(8, 1, strides=2, padding="same")],
    "transposed 5": [layers.Conv2DTranspose(8, 5, strides=2, padding="valid")],
    "nearest": [layers.UpSampling2D(3)],
    "bilinear": [layers.UpSampling2D(2, interpolation="bilinear")],
    "average pool": [layers.AveragePooling2D(3, strides=2, padding="same")],
    "max pool": [layers.MaxPooling2D(2)],
    "global maximum": [layers.GlobalMaxPooling2D()],
    "batch norm": [layers.Conv2D(8, 1), layers.BatchNormalization(), layers.ReLU()],
    "batch norm, last": [layers.BatchNormalization(scale=False)],
    "layer norm": [layers.LayerNormalization()],
    "rms norm": [layers.RMSNormalization()],
    "unit norm": [layers.UnitNormalization()],
    "rescaling": [layers.Rescaling(0.5, 0.1), layers.Conv2D(3, 1), layers.Rescaling([1.0, 2.0, 3.0], [0.1, 0.2, 0.3])],
    "relu": [layers.ReLU(max_value=0.5), layers.ReLU(negative_slope=0.1, max_value=0.4)],
    "activations": [layers.Activation(name) for name in ("softplus", "softsign", "selu", "softmax", "linear")],
    "gated": [gated],
    "nested": [nested],
    "concatenated": [lambda y: layers.Concatenate()([y, layers.Conv2D(2, 1)(y)])],
    "concatenated, convolved": [
        lambda y: layers.Concatenate(axis=1)([layers.Conv2D(4, 1)(y), layers.Conv2D(4, 1)(y)]),
        layers.Cropping2D(((0, 6), (0, 0))),
    ],
    "padded": [layers.ZeroPadding2D(((1, 2), (2, 1))), layers.Cropping2D(((1, 0), (0, 1)))],
    "repeated at the edge": [around("symmetric", 1), layers.Conv2D(4, 3), around("symmetric", 1), layers.Conv2D(4, 3)],
    "zeros around": [around("constant", 2)],
    "average": [summed(layers.Average)],
    "maximum": [summed(layers.Maximum)],
    "minimum": [summed(layers.Minimum)],
    "subtract": [lambda y: layers.Subtract()([y, layers.Conv2D(8, 1)(y)])],
    "permuted": [layers.Conv2D(8, 1), layers.Permute((2, 1, 3)), layers.Identity(), layers.GaussianNoise(0.1)],
    "repeated": [layers.Flatten(), layers.RepeatVector(3), layers.Flatten()],
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_layer_agrees(kind, tmp_path):
    model, given = maps(*KINDS[kind]), latents(3, 4)
    images = painted_by_onnx(export(trained(model), "onnx", tmp_path / "g.onnx"), given)
    expected = painted_by_keras(model, given)
    np.testing.assert_allclose(images, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)


def test_a_layer_that_is_not_known_is_named(tmp_path):
    model = maps(layers.GroupNormalization(2, name="odd"))
    with pytest.raises(ExportError, match=r"these can: .*Conv2D.* Received: GroupNormalization \(odd\)") as problem:
        export(trained(model), "onnx", tmp_path / "g.onnx")
    assert "\n" not in str(problem.value)
    assert not os.listdir(tmp_path)


def test_padding_that_onnx_has_not_is_refused(tmp_path):
    with pytest.raises(
        ExportError, match=r"Only zeros, or one pixel repeated, .*Received: symmetric by \(\(0, 0\), \(2"
    ):
        export(trained(maps(around("symmetric", 2))), "onnx", tmp_path / "g.onnx")


def test_a_layer_of_ones_own_is_not_taken_for_what_it_inherits_from():
    class Louder(layers.ReLU):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Renamed(layers.ReLU):
        pass

    with pytest.raises(ExportError, match="Received: Louder"):
        onnx_layers._handler(Louder())
    assert onnx_layers._handler(Renamed()) is onnx_layers.HANDLERS[layers.ReLU]


def test_a_file_that_paints_something_else_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(onnx_layers.HANDLERS, layers.Rescaling, onnx_layers.HANDLERS[layers.Identity])
    with pytest.raises(ExportError, match="The ONNX file paints other pictures than Keras"):
        export(trained(maps(layers.Rescaling(0.5))), "onnx", tmp_path / "g.onnx")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("module", "to"), [("onnx", "onnx"), ("onnxruntime", "onnx"), ("onnx", "web")])
def test_what_is_not_installed_is_said(module, to, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExportError, match=f"needs {module}, which is not installed: pip install {module}"):
        export(trained(tiny.generator()), to, tmp_path / "g.onnx" if to == "onnx" else tmp_path / to)


# -- Keras and LiteRT ------------------------------------------------------------------------------------------------

PLAIN = """
import sys, numpy as np, keras
latents = keras.ops.convert_to_tensor(np.load("latents.npy"))
for name in ("classic", "standard"):
    model = keras.models.load_model(f"{name}.keras", compile=False)
    np.save(f"{name}.npy", keras.ops.convert_to_numpy(model(latents, training=False)))
assert keras.backend.backend() == sys.argv[1]
assert not any(name.startswith("pippin") for name in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_plain_keras_paints_the_same_on_every_engine(engine, tmp_path):
    generators = {name: shaken(networks.build(name, 16, 32).generator) for name in ("classic", "standard")}
    given = latents(3, 32)
    np.save(tmp_path / "latents.npy", given)
    for name, model in generators.items():
        export(trained(model), "keras", tmp_path / f"{name}.keras")
    environment = {**os.environ, "KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", PLAIN, engine]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, model in generators.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), painted_by_keras(model, given), atol=1e-4, rtol=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="LiteRT files are converted by TensorFlow")
def test_litert_paints_what_keras_paints(preset, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    file = export(trained(preset), "tflite", tmp_path / "generator.tflite")
    interpreter = litert.Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert list(given["shape"]) == [1, 32]
    for one in latents(2, 32):
        interpreter.set_tensor(given["index"], one[None])
        interpreter.invoke()
        images = interpreter.get_tensor(wanted["index"])
        np.testing.assert_allclose(images, painted_by_keras(preset, one[None]), atol=TOLERANCE, rtol=0)


def test_litert_needs_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match=r"set KERAS_BACKEND=tensorflow\. Received: jax"):
        export(trained(tiny.generator()), "tflite", tmp_path / "g.tflite")


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "name", "told"),
    [
        ("pickle", "a", "Export to one of keras, onnx, web, huggingface, tflite. Received: pickle"),
        ("onnx", "a.keras", r"A file for onnx must end in \.onnx\. Received: .*a\.keras"),
        ("keras", "folder.keras", "There is a folder of that name"),
        ("web", "taken", "web writes a folder, and there is a file of that name"),
        ("onnx", "taken/a.onnx", "The export cannot be written"),
        ("keras", "taken/a.keras", "The export cannot be written"),
        ("web", "taken/web", "The page cannot be written"),
        ("huggingface", "taken/model", "The folder cannot be written"),
    ],
)
def test_where_it_cannot_go_is_said(to, name, told, tmp_path):
    (tmp_path / "taken").write_text("")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ExportError, match=told):
        export(trained(tiny.generator()), to, tmp_path / name)


def test_a_run_is_exported_into_its_folder_and_elsewhere(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    assert run.export("onnx") == tmp_path / "run" / "generator.onnx"
    given = latents(2, tiny.LATENT_DIM)
    expected = painted_by_keras(run.generator, given)
    np.testing.assert_allclose(painted_by_onnx(run.path / "generator.onnx", given), expected, atol=1e-4)
    file = run.export("keras", tmp_path / "mine.keras")
    np.testing.assert_allclose(painted_by_keras(keras.models.load_model(file), given), expected, atol=1e-6)
    assert run.trained().audit["kept"] == 12


# -- Hugging Face ----------------------------------------------------------------------------------------------------

EVALUATION = {
    "lines": ["KID 0.0123 ± 0.0010 of 2,048 pictures", "It paints new pictures: none is nearer than those held out"],
    "memorisation": {"near": 0.01, "z": 0.3},
}


def test_the_model_card_tells_what_is_known(tmp_path):
    folder = export(trained(tiny.generator(), EVALUATION), "huggingface", tmp_path / "model")
    assert sorted(os.listdir(folder)) == ["README.md", "generator.keras", "generator.onnx", "samples.png"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    front, text = card.removeprefix("---\n").split("\n---\n", 1)
    assert "license:" in front.splitlines(), "left open"
    assert "library_name: keras" in front
    for told in (
        "1,083\npictures of apples",
        "1,190 were kept",
        "13 mended",
        "2 refused",
        "120 were held out",
        "- KID 0.0123 ± 0.0010",
        "- It paints new pictures",
        "batch 400",
        "KID 0.0123",
        "| seed | 0 | any number will do |",
        "standard_normal((16, 4))",
    ):
        assert told in text
    assert "not looked at" not in text
    assert "somebody" not in card
    assert "None" not in card


def test_the_model_card_says_what_was_not_looked_at():
    assert "It was not scored" in huggingface.card(trained(tiny.generator()))
    scored = huggingface.card(trained(tiny.generator(), {"lines": ["KID 1"], "references": ""}))
    assert "not looked at whether the generator knows pictures by heart" in scored


def test_the_models_own_example_works(tmp_path, monkeypatch):
    folder = export(trained(tiny.generator()), "huggingface", tmp_path / "model")
    monkeypatch.chdir(folder)
    examples = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    names: dict = {}
    for example in examples:
        exec(example.split("```")[0], names)
    assert names["pictures"].shape == (16, 16, 16, 3)
    assert names["pictures"].dtype == "uint8"


@pytest.mark.parametrize(
    ("source", "said"),
    [("/home/somebody/photos", "photos"), ("built-in:apples", "the built-in apples"), ("array:0a1b", "an array")],
)
def test_a_source_is_said_without_the_folders_above_it(source, said):
    assert trained(tiny.generator(), about={**ABOUT, "source": source}).source == said


class Hub(types.ModuleType):
    """Stands for huggingface_hub."""

    def __init__(self, problem=None):
        super().__init__("huggingface_hub")
        self.problem, self.asked = problem, []

    def create_repo(self, repo_id, *, private, exist_ok):
        if self.problem:
            raise self.problem
        self.asked.append(("create", repo_id, private, exist_ok))
        return f"https://example.org/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, allow_patterns):
        self.asked.append(("upload", repo_id, Path(folder_path), tuple(allow_patterns)))


def test_pushing_makes_a_private_repository_and_uploads_what_was_written(tmp_path, monkeypatch):
    hub = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert huggingface.push(tmp_path, "me/apples") == "https://example.org/me/apples"
    assert hub.asked == [("create", "me/apples", True, True), ("upload", "me/apples", tmp_path, huggingface.FILES)]


def test_pushing_that_does_not_succeed_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(ValueError("no\ntoken")))
    with pytest.raises(ExportError, match=r"The upload did not succeed: no token\. Received: me/apples"):
        huggingface.push(tmp_path, "me/apples")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ExportError, match="Uploading needs huggingface_hub, which is not installed"):
        huggingface.check_push()
