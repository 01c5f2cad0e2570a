"""Exported files return the same images as Keras, and what cannot be exported gives a one-line error."""

import dataclasses
import json
import os
import re
import runpy
import subprocess
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

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
from pippin.export import TrainedGenerator, export, huggingface, onnx_forward, onnx_layers
from pippin.export.trained_generator import TOLERANCE
from pippin.networks.layers import LocallyConnected2D
from pippin.pictures import to_uint8
from pippin.runs import backend
from pippin.settings import Settings, choose
from pippin.training import draws

ABOUT = {
    "source": "home/username/apples",
    "pictures": 1083,
    "held_out": 120,
    "reasons": {"seed": "any seed works"},
    "engine": "tensorflow",
    "versions": {"pippin": "0.1.0", "keras": "3.15.1"},
    "machine": "x86_64, 2 cores, CPU",
}
AUDIT = {"kept": 1190, "mended": 13, "refused": 2}


def trained_generator(generator, evaluation=None, **changes):
    """Return a generator with the facts that a run would record about it."""
    size = generator.output_shape[1]
    settings = choose("standard", size if size in (16, 32) else 16).settings
    about = {"about": ABOUT, "batches": 500, "seconds": 600.0, "best": (400, 0.0123), "audit": AUDIT}
    return TrainedGenerator("apples", generator, settings, evaluation=evaluation, **{**about, **changes})


def with_random_vectors(model, seed=0):
    """Set biases and normalisation statistics to random values, as after training, and return the model."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            if len(weight.shape) == 1:
                weight.assign(weight.numpy() if weight.dtype != "float32" else rng.uniform(0.5, 1.5, weight.shape))
    return model


def build(preset):
    """Return a preset's generator for 16×16 images: "features" is that of standard for a discriminator of features."""
    if preset != "features":
        return networks.build(preset, 16, 32).generator
    return networks.build("standard", 16, 160, features="efficientnet-lite0").generator


@pytest.fixture(scope="module", params=["classic", "standard", "features"])
def preset(request):
    return with_random_vectors(build(request.param))


def latents(count, latent_dim, seed=5):
    return np.random.default_rng(seed).standard_normal((count, latent_dim)).astype("float32")


def keras_images(model, given):
    return keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(given), training=False))


def onnx_images(file, given):
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (images,) = session.run(["images"], {"latents": given})
    return images


# -- ONNX ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5])
def test_an_onnx_file_returns_the_images_of_keras_for_any_batch_size(preset, tmp_path, count):
    given = latents(count, preset.input_shape[1])
    file = export(trained_generator(preset), "onnx", tmp_path / "new" / "generator.onnx")
    images, expected = onnx_images(file, given), keras_images(preset, given)
    assert images.shape == (count, 16, 16, 3)
    np.testing.assert_allclose(images, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.01, "the images are not constant"
    assert os.listdir(file.parent) == ["generator.onnx"]


def test_an_onnx_file_has_metadata(tmp_path):
    file = export(trained_generator(tiny.generator()), "onnx", tmp_path / "generator.onnx")
    model = onnx.load(file)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about["name"] == "apples"
    assert about["latent_dim"] == str(tiny.LATENT_DIM)
    assert about["batches"] == "400", "the batch of the best weights"
    assert json.loads(about["settings"])["latent_dim"] == Settings().latent_dim
    assert "username" not in str(model), "the folders above the source are private"


def generator_of(*more, inputs=(6, 6, 8)):
    """Return a generator that applies some layers to a feature map."""
    keras.utils.set_random_seed(3)
    x = keras.Input((4,))
    y = layers.Reshape(inputs)(layers.Dense(int(np.prod(inputs)))(x))
    for layer in more:
        y = layer(y)
    if len(y.shape) != 4:
        y = layers.Reshape((6, 6, 3))(layers.Dense(6 * 6 * 3)(layers.Flatten()(y)))
    return with_random_vectors(keras.Model(x, layers.Conv2D(3, 1)(y)))


def gated(y):
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(y))
    return layers.Multiply()([y, gate])


def summed(kind):
    return lambda y: kind()([layers.Conv2D(8, 1)(y), y, layers.LeakyReLU()(y)])


def nested(y):
    inner = keras.Sequential([keras.Input((6, 6, 8)), layers.Conv2D(8, 3, padding="same"), layers.ReLU()])
    return layers.Add()([inner(y), inner(layers.Dropout(0.5)(y))])


def padded(mode, width):
    return lambda y: keras.ops.pad(y, ((0, 0), (width, width), (width, width), (0, 0)), mode=mode)


LAYER_STACKS = {
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
    "repeated at the edge": [padded("symmetric", 1), layers.Conv2D(4, 3), padded("symmetric", 1), layers.Conv2D(4, 3)],
    "zeros around": [padded("constant", 2)],
    "average": [summed(layers.Average)],
    "maximum": [summed(layers.Maximum)],
    "minimum": [summed(layers.Minimum)],
    "subtract": [lambda y: layers.Subtract()([y, layers.Conv2D(8, 1)(y)])],
    "permuted": [layers.Conv2D(8, 1), layers.Permute((2, 1, 3)), layers.Identity(), layers.GaussianNoise(0.1)],
    "locally connected": [LocallyConnected2D(4, 3), LocallyConnected2D(5, (2, 3), (2, 1), "same", activation="relu")],
    "repeated": [layers.Flatten(), layers.RepeatVector(3), layers.Flatten()],
}


@pytest.mark.parametrize("stack", LAYER_STACKS)
def test_each_kind_of_layer_agrees_with_keras(stack, tmp_path):
    model, given = generator_of(*LAYER_STACKS[stack]), latents(3, 4)
    images = onnx_images(export(trained_generator(model), "onnx", tmp_path / "g.onnx"), given)
    expected = keras_images(model, given)
    np.testing.assert_allclose(images, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)


def test_an_unsupported_layer_is_named(tmp_path):
    model = generator_of(layers.GroupNormalization(2, name="odd"))
    with pytest.raises(
        ExportError, match=r"use layers of these kinds: .*Conv2D.* Received: GroupNormalization \(odd\)"
    ) as problem:
        export(trained_generator(model), "onnx", tmp_path / "g.onnx")
    assert "\n" not in str(problem.value)
    assert not os.listdir(tmp_path)


def test_unsupported_padding_is_refused(tmp_path):
    with pytest.raises(
        ExportError,
        match=r"Only padding with zeros, or with one repeated pixel, .*Received: symmetric by \(\(0, 0\), \(2",
    ):
        export(trained_generator(generator_of(padded("symmetric", 2))), "onnx", tmp_path / "g.onnx")


def test_a_subclass_with_its_own_call_is_not_exported_as_its_base_class():
    class Louder(layers.ReLU):
        def call(self, inputs):
            return 2 * super().call(inputs)

    class Renamed(layers.ReLU):
        pass

    with pytest.raises(ExportError, match="Received: Louder"):
        onnx_layers.handler_of(Louder())
    assert onnx_layers.handler_of(Renamed()) is onnx_layers.HANDLERS[layers.ReLU]


def test_an_onnx_file_with_other_images_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(onnx_layers.HANDLERS, layers.Rescaling, onnx_layers.HANDLERS[layers.Identity])
    with pytest.raises(ExportError, match="The ONNX file returns other images than Keras"):
        export(trained_generator(generator_of(layers.Rescaling(0.5))), "onnx", tmp_path / "g.onnx")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(("module", "to"), [("onnx", "onnx"), ("onnxruntime", "onnx"), ("onnx", "web")])
def test_a_package_that_is_not_installed_is_named(module, to, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ExportError, match=f"needs {module}, which is not installed: pip install {module}"):
        export(trained_generator(tiny.generator()), to, tmp_path / "g.onnx" if to == "onnx" else tmp_path / to)


def test_sampling_with_onnx_runtime_converts_and_checks_the_generator_once(monkeypatch):
    sessions = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            sessions.append(self)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    generator, given = tiny.generator(), latents(3, tiny.LATENT_DIM)
    forward = onnx_forward(trained_generator(generator))
    np.testing.assert_allclose(forward(given), keras_images(generator, given), atol=TOLERANCE, rtol=0)
    assert len(sessions) == 1


def test_there_is_no_onnx_runtime_function_for_an_unsupported_layer():
    assert onnx_forward(trained_generator(generator_of(layers.GroupNormalization(2)))) is None


# -- Keras and LiteRT ------------------------------------------------------------------------------------------------

PLAIN = """
import sys, numpy as np, keras
for name in ("classic", "standard", "features"):
    latents = keras.ops.convert_to_tensor(np.load(f"{name}.npy"))
    model = keras.models.load_model(f"{name}.keras", compile=False)
    np.save(f"{name}.npy", keras.ops.convert_to_numpy(model(latents, training=False)))
assert keras.backend.backend() == sys.argv[1]
assert not any(name.startswith("pippin") for name in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_keras_without_pippin_returns_the_same_images_on_every_engine(engine, tmp_path):
    generators = {name: with_random_vectors(build(name)) for name in ("classic", "standard", "features")}
    given = {name: latents(3, model.input_shape[1]) for name, model in generators.items()}
    for name, model in generators.items():
        np.save(tmp_path / f"{name}.npy", given[name])
        export(trained_generator(model), "keras", tmp_path / f"{name}.keras")
    environment = {**os.environ, "KERAS_BACKEND": engine, "TF_CPP_MIN_LOG_LEVEL": "3"}
    words = [sys.executable, "-c", PLAIN, engine]
    done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, model in generators.items():
        images = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(images, keras_images(model, given[name]), atol=1e-4, rtol=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="LiteRT export needs TensorFlow")
def test_a_litert_file_returns_the_images_of_keras(preset, tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    file = export(trained_generator(preset), "tflite", tmp_path / "generator.tflite")
    interpreter = litert.Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    (input_,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert list(input_["shape"]) == [1, preset.input_shape[1]]
    for latent in latents(2, preset.input_shape[1]):
        interpreter.set_tensor(input_["index"], latent[None])
        interpreter.invoke()
        images = interpreter.get_tensor(output["index"])
        np.testing.assert_allclose(images, keras_images(preset, latent[None]), atol=TOLERANCE, rtol=0)


def test_litert_export_needs_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match=r"set KERAS_BACKEND=tensorflow\. Received: jax"):
        export(trained_generator(tiny.generator()), "tflite", tmp_path / "g.tflite")


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "name", "message"),
    [
        (
            "pickle",
            "a",
            "no such export format; use one of keras, onnx, web, huggingface, tflite. Received: pickle",
        ),
        ("onnx", "a.keras", r"The name of a file for onnx must end in \.onnx\. Received: .*a\.keras"),
        ("keras", "folder.keras", "keras is one file, but there is a folder of that name"),
        ("web", "taken", "web is a folder, but there is a file of that name"),
        ("onnx", "taken/a.onnx", "The export cannot be written"),
        ("keras", "taken/a.keras", "The export cannot be written"),
        ("web", "taken/web", "The page cannot be written"),
        ("huggingface", "taken/model", "The folder cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written_is_named(to, name, message, tmp_path):
    (tmp_path / "taken").write_text("")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ExportError, match=message):
        export(trained_generator(tiny.generator()), to, tmp_path / name)


def test_a_run_is_exported_into_its_folder_or_to_a_given_path(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    assert run.export("onnx") == tmp_path / "run" / "generator.onnx"
    given = latents(2, tiny.LATENT_DIM)
    expected = keras_images(run.generator, given)
    np.testing.assert_allclose(onnx_images(run.path / "generator.onnx", given), expected, atol=1e-4)
    file = run.export("keras", tmp_path / "mine.keras")
    np.testing.assert_allclose(keras_images(keras.models.load_model(file), given), expected, atol=1e-6)
    assert backend.trained_generator(run).audit["kept"] == 12


# -- Hugging Face ----------------------------------------------------------------------------------------------------

EVALUATION = {
    "lines": [
        "KID 0.0123 ± 0.0010 of 2,048 pictures",
        "It generates new pictures: none is nearer than held-out ones",
    ],
    "memorisation": {"near": 0.01, "z": 0.3},
}


def test_the_model_card_states_what_is_known(tmp_path):
    folder = export(trained_generator(tiny.generator(), EVALUATION), "huggingface", tmp_path / "model")
    assert sorted(os.listdir(folder)) == sorted(huggingface.FILES)
    card = (folder / "README.md").read_text(encoding="utf-8")
    front, text = card.removeprefix("---\n").split("\n---\n", 1)
    assert "license:" in front.splitlines(), "the user must choose it"
    assert "library_name: keras" in front
    for phrase in (
        "1,083\npictures of apples",
        "1,190 were kept unchanged",
        "13 were repaired",
        "2 were refused",
        "120 others were held out",
        "- KID 0.0123 ± 0.0010",
        "- It generates new pictures",
        "batch 400",
        "the best KID during training (0.0123)",
        "| seed | 0 | any seed works |",
        "standard_normal((16, 4))",
    ):
        assert phrase in text
    assert "not checked" not in text
    assert "username" not in card
    assert "None" not in card


def test_the_app_of_a_space_generates_what_pippin_samples(tmp_path, monkeypatch):
    """Gradio is not installed here, so a stand-in takes its place: only what the app computes is tested."""
    trained = trained_generator(tiny.generator())
    folder = export(trained, "huggingface", tmp_path / "model")
    monkeypatch.setitem(sys.modules, "gradio", MagicMock())
    monkeypatch.chdir(folder)
    space = runpy.run_path("app.py")
    latents = draws.seed_latents([5, 6], trained.latent_dim)
    assert np.array_equal(np.stack([space["latent"](5), space["latent"](6)]), latents)
    images = [np.asarray(picture.resize((tiny.SIZE, tiny.SIZE), 0)) for picture, _ in space["sample"](5, 1.0)[:2]]
    expected = to_uint8(trained.generate(latents))
    assert np.abs(np.stack(images).astype(int) - expected).max() <= 1
    assert np.allclose(space["between"](latents[0], latents[1], 0.0), latents[0], atol=1e-6)
    assert np.asarray(space["walk"](5, 6, 1.0, 1.0)).shape == (256, 256, 3)


def test_the_model_card_states_what_was_not_evaluated():
    assert "The generator was not scored" in huggingface.model_card(trained_generator(tiny.generator()))
    scored = huggingface.model_card(trained_generator(tiny.generator(), {"lines": ["KID 1"], "references": ""}))
    assert "not checked whether the generator has memorised training pictures" in scored


HOSTILE = (
    "<img src=x onerror=alert(1)>\n# Title [a](https://evil.example) ![b](c) `d` | *e* www.evil.example <!-- --> &lt;"
)


def test_text_of_the_run_is_shown_as_text_on_the_model_card():
    about = {**ABOUT, "engine": HOSTILE, "machine": HOSTILE, "source": f"home/{HOSTILE.replace('/', '|')}"}
    about |= {"versions": {"keras": HOSTILE, "pippin": HOSTILE}, "reasons": {"seed": HOSTILE}}
    evaluation = {"lines": [HOSTILE], "memorisation": {}}
    trained = dataclasses.replace(trained_generator(tiny.generator(), evaluation, about=about), name=HOSTILE)
    honest = huggingface.model_card(trained_generator(tiny.generator(), {"lines": ["KID 1"], "memorisation": {}}))
    card = huggingface.model_card(trained)
    unescaped, expected = (re.sub(r"\\.", "", text) for text in (card, honest))
    for mark in ("<", ">", "](", "`", "*", "# ", "://", "www."):
        assert unescaped.count(mark) == expected.count(mark), mark
    tables = [[line for line in text.splitlines() if line.startswith("| ")] for text in (unescaped, expected)]
    assert [line.count("|") for line in tables[0]] == [line.count("|") for line in tables[1]]
    assert "&lt;img src=x onerror=alert(1)&gt; \\# Title \\[a\\](https&#58;//evil.example)" in card


def test_the_examples_in_the_model_card_work(tmp_path, monkeypatch):
    folder = export(trained_generator(tiny.generator()), "huggingface", tmp_path / "model")
    monkeypatch.chdir(folder)
    examples = (folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1:]
    names: dict = {}
    for example in examples:
        exec(example.split("```")[0], names)
    assert names["pictures"].shape == (16, 16, 16, 3)
    assert names["pictures"].dtype == "uint8"


@pytest.mark.parametrize(
    ("source", "name"),
    [("/home/username/photos", "photos"), ("built-in:apples", "the built-in apples"), ("array:0a1b", "an array")],
)
def test_the_source_is_named_without_the_folders_above_it(source, name):
    assert trained_generator(tiny.generator(), about={**ABOUT, "source": source}).source_name == name


class Hub(types.ModuleType):
    """A fake huggingface_hub that records its calls."""

    def __init__(self, problem=None):
        super().__init__("huggingface_hub")
        self.problem, self.calls = problem, []

    def create_repo(self, repo_id, *, private, exist_ok):
        if self.problem:
            raise self.problem
        self.calls.append(("create", repo_id, private, exist_ok))
        return f"https://example.org/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, allow_patterns):
        self.calls.append(("upload", repo_id, Path(folder_path), tuple(allow_patterns)))


def test_push_creates_a_private_repository_and_uploads_the_files(tmp_path, monkeypatch):
    hub = Hub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert huggingface.push(tmp_path, "me/apples") == "https://example.org/me/apples"
    assert hub.calls == [("create", "me/apples", True, True), ("upload", "me/apples", tmp_path, huggingface.FILES)]


def test_a_failed_push_gives_a_one_line_error(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub(ValueError("no\ntoken")))
    with pytest.raises(ExportError, match=r"The upload failed: no token\. Received: me/apples"):
        huggingface.push(tmp_path, "me/apples")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ExportError, match="Uploading needs huggingface_hub, which is not installed"):
        huggingface.require_huggingface_hub()
