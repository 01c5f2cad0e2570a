"""The label and the kind of a layer in a diagram."""

from typing import Any

import keras
from keras import layers
from keras.layers import Layer

KINDS: dict[str, tuple[type[Layer], ...]] = {
    "model": (keras.Model,),
    "activation": (
        layers.Activation,
        layers.ReLU,
        layers.LeakyReLU,
        layers.ELU,
        layers.PReLU,
        layers.Softmax,
    ),
    "merge": (
        layers.Add,
        layers.Subtract,
        layers.Multiply,
        layers.Average,
        layers.Maximum,
        layers.Minimum,
        layers.Concatenate,
        layers.Dot,
    ),
    "resample": (
        layers.UpSampling2D,
        layers.AveragePooling2D,
        layers.MaxPooling2D,
    ),
    "flatten": (layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D),
    "shape": (
        layers.Reshape,
        layers.Permute,
        layers.ZeroPadding2D,
        layers.Cropping1D,
        layers.Cropping2D,
        layers.RepeatVector,
    ),
    "dense": (layers.Dense, layers.EinsumDense, layers.Embedding),
}
"""Kind → its layer classes. The other kinds are "input", "convolution" (any layer with a `kernel_size`) and "small"."""

ABBREVIATIONS = {
    "BatchNormalization": "BatchNorm",
    "LayerNormalization": "LayerNorm",
    "GroupNormalization": "GroupNorm",
}

ACTIVATIONS = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "silu": "SiLU", "gelu": "GELU", "selu": "SELU"}


def kind_of(layer: Any) -> str:
    """Return the kind of a layer: see `KINDS`."""
    if isinstance(layer, str):
        return "input"
    for kind, classes in KINDS.items():
        if isinstance(layer, classes):
            return kind
    return "convolution" if hasattr(layer, "kernel_size") else "small"


def label(layer: Any) -> str:
    """Return the label of a layer: its class with its most important arguments."""
    if isinstance(layer, str):
        return layer
    if isinstance(layer, keras.Model):
        return f"{layer.name}, frozen" if layer.weights and not layer.trainable_weights else str(layer.name)
    name = type(layer).__name__
    name = ABBREVIATIONS.get(name, name)
    if hasattr(layer, "kernel_size"):
        stride = max(layer.strides)
        name += f" {_by(layer.kernel_size)}" + (f", stride {stride}" if stride > 1 else "")
    elif isinstance(layer, layers.UpSampling2D):
        name += f" {_by(layer.size)}" + (f" {layer.interpolation}" if layer.interpolation != "nearest" else "")
    elif isinstance(layer, layers.AveragePooling2D | layers.MaxPooling2D):
        name += f" {_by(layer.pool_size)}"
    elif isinstance(layer, layers.Activation):
        return _activation_name(layer.activation)
    activation = _activation_name(getattr(layer, "activation", None))
    activated = hasattr(layer, "kernel") and activation not in ("", "linear")
    return f"{name} + {activation}" if activated else name


def _by(sides: tuple[int, ...]) -> str:
    """Return sizes as `3×3`."""
    return "×".join(str(side) for side in sides)


def _activation_name(activation: Any) -> str:
    """Return the name of an activation function, or "" if there is none."""
    name = str(getattr(activation, "__name__", "") or "")
    return ACTIVATIONS.get(name, name)
