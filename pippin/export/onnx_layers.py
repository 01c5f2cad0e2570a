"""Keras' layers in ONNX's operations, for those kinds that generators are made of.

Keras keeps channels last and ONNX's convolutions have them first. A picture stays as it was last needed: it is turned
only where a layer wants it the other way.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from pippin.errors import ExportError


class Value(NamedTuple):
    """What flows from layer to layer.

    Attributes:
        name: in the ONNX graph.
        shape: for one picture, as Keras has it: channels last.
        first: whether a picture's channels are first here.
    """

    name: str
    shape: tuple[int, ...]
    first: bool = False


class Writer:
    """Collects nodes and constants.

    Attributes:
        nodes: (operation, names of inputs, name of the output, attributes).
        constants: name → array.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {}

    def constant(self, array: Any, dtype: str = "float32") -> str:
        """Keep an array, and return its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, dtype)
        return name

    def add(self, kind: str, inputs: list[str], **options: Any) -> str:
        """Add a node, and return its output's name."""
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append((kind, inputs, name, options))
        return name

    def first(self, value: Value) -> Value:
        """Return a picture with channels first."""
        return value if value.first else value._replace(name=self._turned(value, [0, 3, 1, 2]), first=True)

    def last(self, value: Value) -> Value:
        """Return a value with channels last, as Keras has it."""
        return value._replace(name=self._turned(value, [0, 2, 3, 1]), first=False) if value.first else value

    def _turned(self, value: Value, order: list[int]) -> str:
        return self.add("Transpose", [value.name], perm=order)

    def by_channel(self, array: Any, value: Value) -> str:
        """Keep one number a channel, or one for all, so that it meets the channels of `value`."""
        array = np.asarray(array)
        return self.constant(array.reshape(-1, 1, 1) if value.first and array.ndim else array)


def write_layer(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> Value:
    """Write a layer.

    Args:
        writer: takes the nodes.
        layer: a Keras layer.
        values: its inputs.
        shape: of its output for one picture.

    Returns:
        Its output.

    Raises:
        ExportError: its kind is not known here, or it keeps channels first.
    """
    write = _handler(layer)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ExportError(f"Only layers with channels last can be exported to ONNX. Received: {layer.name}")
    name, first = write(writer, layer, values, shape)
    return Value(name, shape, first)


Handler = Callable[[Writer, Any, list[Value], tuple[int, ...]], tuple[str, bool]]
"""Writes a layer; returns its output's name, and whether that has channels first."""


def _handler(layer: Any) -> Handler:
    """Find what writes a layer's class, or a class that it inherits its computation from; or an operation."""
    if not isinstance(layer, layers.Layer) and type(layer).__name__ in OPERATIONS:
        return OPERATIONS[type(layer).__name__]
    for kind in type(layer).__mro__:
        if kind in HANDLERS and type(layer).call is kind.call:
            return HANDLERS[kind]
    known = ", ".join(sorted(kind.__name__ for kind in HANDLERS))
    received = f"{type(layer).__name__} ({layer.name})"
    raise ExportError(f"A layer of this kind cannot be exported to ONNX; these can: {known}. Received: {received}")


# -- functions of each number ----------------------------------------------------------------------------------------


def _activate(writer: Writer, name: str, function: Any) -> str:
    """Apply an activation function."""
    kind = getattr(function, "__name__", str(function))
    if kind == "linear" or function is None:
        return name
    if kind in _PLAIN:
        return writer.add(_PLAIN[kind], [name])
    if kind == "leaky_relu":
        return writer.add("LeakyRelu", [name], alpha=0.2)
    if kind == "relu6":
        return _clipped(writer, name, 6.0)
    if kind == "silu":
        return writer.add("Mul", [name, writer.add("Sigmoid", [name])])
    if kind == "softmax":
        return writer.add("Softmax", [name], axis=-1)
    raise ExportError(f"This activation cannot be exported to ONNX; these can: {_KNOWN}. Received: {kind}")


_PLAIN = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "elu": "Elu",
    "selu": "Selu",
    "exponential": "Exp",
}
_KNOWN = ", ".join([*_PLAIN, "leaky_relu", "linear", "relu6", "silu", "softmax"])


def _clipped(writer: Writer, name: str, most: float) -> str:
    return writer.add("Clip", [name, writer.constant(0.0), writer.constant(most)])


def _activation(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    softmax = getattr(layer.activation, "__name__", "") == "softmax"
    value = writer.last(values[0]) if softmax else values[0]
    return _activate(writer, value.name, layer.activation), value.first


def _relu(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    (value,) = values
    if layer.threshold:
        raise ExportError(f"A ReLU with a threshold cannot be exported to ONNX. Received: {layer.name}")
    if layer.negative_slope:
        name = writer.add("LeakyRelu", [value.name], alpha=float(layer.negative_slope))
        most = layer.max_value
        return name if most is None else writer.add("Min", [name, writer.constant(most)]), value.first
    if layer.max_value is not None:
        return _clipped(writer, value.name, layer.max_value), value.first
    return writer.add("Relu", [value.name]), value.first


def _leaky_relu(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    return writer.add("LeakyRelu", [values[0].name], alpha=float(layer.negative_slope)), values[0].first


def _same(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    """Do nothing, as outside training."""
    return values[0].name, values[0].first


def _rescaling(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    (value,) = values
    name = writer.add("Mul", [value.name, writer.by_channel(layer.scale, value)])
    if np.any(layer.offset):
        name = writer.add("Add", [name, writer.by_channel(layer.offset, value)])
    return name, value.first


# -- normalisation ---------------------------------------------------------------------------------------------------


def _batch_norm(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    """Scale and shift by what was measured in training."""
    (value,) = values
    _check_axis(layer, layer.axis, shape)
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    scale = (_array(layer.gamma) if layer.scale else 1.0) / np.sqrt(variance + layer.epsilon)
    shift = (_array(layer.beta) if layer.center else 0.0) - mean * scale
    name = writer.add("Mul", [value.name, writer.by_channel(scale, value)])
    return writer.add("Add", [name, writer.by_channel(shift, value)]), value.first


def _layer_norm(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    _check_axis(layer, layer.axis, shape)
    scale = _array(layer.gamma) if layer.gamma is not None else np.ones(shape[-1])
    shift = _array(layer.beta) if layer.beta is not None else np.zeros(shape[-1])
    inputs = [value.name, writer.constant(scale), writer.constant(shift)]
    return writer.add("LayerNormalization", inputs, axis=-1, epsilon=float(layer.epsilon)), False


def _rms_norm(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    _check_axis(layer, layer.axis, shape)
    square = writer.add("Mul", [value.name, value.name])
    mean = writer.add("ReduceMean", [square, writer.constant([-1], "int64")], keepdims=1)
    root = writer.add("Sqrt", [writer.add("Add", [mean, writer.constant(layer.epsilon)])])
    return writer.add("Mul", [writer.add("Div", [value.name, root]), writer.constant(_array(layer.scale))]), False


def _unit_norm(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    _check_axis(layer, layer.axis, shape)
    return writer.add("LpNormalization", [value.name], axis=-1, p=2), False


def _check_axis(layer: Any, axis: Any, shape: tuple[int, ...]) -> None:
    axes = [axis] if isinstance(axis, int) else list(axis)
    if axes not in ([-1], [len(shape)]):
        raise ExportError(f"Only normalisation of the last axis can be exported to ONNX. Received: {layer.name}")


# -- products --------------------------------------------------------------------------------------------------------


def _dense(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    name = writer.add("MatMul", [value.name, writer.constant(_array(layer.kernel))])
    if layer.use_bias:
        name = writer.add("Add", [name, writer.constant(_array(layer.bias))])
    return _activate(writer, name, layer.activation), False


def _convolution(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    kernel, groups = _array(layer.kernel), getattr(layer, "groups", 1)
    if isinstance(layer, layers.DepthwiseConv2D):
        rows, columns, groups, multiplier = kernel.shape
        kernel = kernel.reshape(rows, columns, 1, groups * multiplier)
    value = writer.first(values[0])
    inputs = [value.name, writer.constant(kernel.transpose(3, 2, 0, 1)), *_bias(writer, layer)]
    name = writer.add(
        "Conv",
        inputs,
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        group=int(groups),
        pads=_pads(layer, layer.kernel_size, value.shape, shape),
    )
    return _activate(writer, name, layer.activation), True


def _transposed(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    """The transpose of the convolution that would lead from the output to the input."""
    value = writer.first(values[0])
    begins, ends, more = [], [], []
    for axis, (kernel, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    ):
        over = (value.shape[axis] - 1) * stride + (kernel - 1) * dilation + 1 - shape[axis]
        begins.append(max(over, 0) // 2)
        ends.append(max(over, 0) - max(over, 0) // 2)
        more.append(max(-over, 0))
    name = writer.add(
        "ConvTranspose",
        [value.name, writer.constant(_array(layer.kernel).transpose(3, 2, 0, 1)), *_bias(writer, layer)],
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        pads=begins + ends,
        output_padding=more,
    )
    return _activate(writer, name, layer.activation), True


def _bias(writer: Writer, layer: Any) -> list[str]:
    return [writer.constant(_array(layer.bias))] if layer.use_bias else []


def _pads(layer: Any, kernel: tuple[int, ...], given: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """Zeros before each side, then after each, as Keras means "same": the odd one after."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    begins, ends = [], []
    dilations = getattr(layer, "dilation_rate", (1, 1))
    for side, out, size, stride, dilation in zip(given, shape, kernel, layer.strides, dilations, strict=False):
        both = max((out - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        begins.append(both // 2)
        ends.append(both - both // 2)
    return begins + ends


# -- resampling ------------------------------------------------------------------------------------------------------


def _up(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.first(values[0])
    if layer.interpolation not in ("nearest", "bilinear"):
        raise ExportError(f"Up-sampling must be nearest or bilinear for ONNX. Received: {layer.interpolation}")
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    options = nearest if layer.interpolation == "nearest" else linear
    return writer.add("Resize", [value.name, "", writer.constant([1, 1, *layer.size])], **options), True


def _pool(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.first(values[0])
    pads = _pads(layer, layer.pool_size, value.shape, shape)
    kind = "AveragePool" if isinstance(layer, layers.AveragePooling2D) else "MaxPool"
    return writer.add(
        kind, [value.name], kernel_shape=list(layer.pool_size), strides=list(layer.strides), pads=pads
    ), True


def _global_pool(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    (value,) = values
    kind = "ReduceMean" if isinstance(layer, layers.GlobalAveragePooling2D) else "ReduceMax"
    axes = writer.constant([2, 3] if value.first else [1, 2], "int64")
    return writer.add(kind, [value.name, axes], keepdims=int(layer.keepdims)), value.first and layer.keepdims


def _pad(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    (top, bottom), (left, right) = layer.padding
    return writer.add("Pad", [value.name, writer.constant([0, top, left, 0, 0, bottom, right, 0], "int64")]), False


def _margin(writer: Writer, operation: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    """What `keras.ops.pad` does with the pixels at the edge, or with zeros."""
    (value,) = values
    widths = np.array(operation.pad_width)[[0, 3, 1, 2] if value.first else ...]
    modes = {"constant": "constant", "symmetric": "edge" if widths.max() <= 1 else None}
    mode = modes.get(operation.mode)
    if mode is None:
        received = f"{operation.mode} by {operation.pad_width}"
        raise ExportError(f"Only zeros, or one pixel repeated, can be put around for ONNX. Received: {received}")
    return writer.add("Pad", [value.name, writer.constant(widths.T.ravel(), "int64")], mode=mode), value.first


def _crop(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    (top, _), (left, _) = layer.cropping
    starts, ends = [top, left], [top + shape[0], left + shape[1]]
    places = [writer.constant(numbers, "int64") for numbers in (starts, ends, [1, 2])]
    return writer.add("Slice", [value.name, *places]), False


# -- shapes and sums -------------------------------------------------------------------------------------------------


def _reshape(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    value = writer.last(values[0])
    return writer.add("Reshape", [value.name, writer.constant([-1, *shape], "int64")]), False


def _permute(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    return writer.add("Transpose", [writer.last(values[0]).name], perm=[0, *layer.dims]), False


def _repeat(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    wide = writer.add("Unsqueeze", [values[0].name, writer.constant([1], "int64")])
    return writer.add("Tile", [wide, writer.constant([1, layer.n, 1], "int64")]), False


def _concatenate(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
    axis = layer.axis % (len(shape) + 1)
    if all(value.first for value in values):
        return writer.add("Concat", [value.name for value in values], axis=[0, 2, 3, 1][axis]), True
    return writer.add("Concat", [writer.last(value).name for value in values], axis=axis), False


def _merge(kind: str) -> Handler:
    """Return what writes a merging layer: one operation from each input to the next."""

    def write(writer: Writer, layer: Any, values: list[Value], shape: tuple[int, ...]) -> tuple[str, bool]:
        if len({len(value.shape) for value in values}) > 1:
            raise ExportError(f"Merged layers must have as many axes as each other. Received: {layer.name}")
        first = any(value.first for value in values)
        names = [(writer.first(value) if first else value).name for value in values]
        total = names[0]
        for name in names[1:]:
            total = writer.add(kind, [total, name])
        if isinstance(layer, layers.Average):
            total = writer.add("Mul", [total, writer.constant(1 / len(names))])
        return total, first

    return write


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), "float64")


HANDLERS: dict[type[layers.Layer], Handler] = {
    layers.Activation: _activation,
    layers.Add: _merge("Add"),
    layers.Average: _merge("Add"),
    layers.AveragePooling2D: _pool,
    layers.BatchNormalization: _batch_norm,
    layers.Concatenate: _concatenate,
    layers.Conv2D: _convolution,
    layers.Conv2DTranspose: _transposed,
    layers.Cropping2D: _crop,
    layers.Dense: _dense,
    layers.DepthwiseConv2D: _convolution,
    layers.Dropout: _same,
    layers.Flatten: _reshape,
    layers.GaussianNoise: _same,
    layers.GlobalAveragePooling2D: _global_pool,
    layers.GlobalMaxPooling2D: _global_pool,
    layers.Identity: _same,
    layers.LayerNormalization: _layer_norm,
    layers.LeakyReLU: _leaky_relu,
    layers.MaxPooling2D: _pool,
    layers.Maximum: _merge("Max"),
    layers.Minimum: _merge("Min"),
    layers.Multiply: _merge("Mul"),
    layers.Permute: _permute,
    layers.RMSNormalization: _rms_norm,
    layers.ReLU: _relu,
    layers.RepeatVector: _repeat,
    layers.Rescaling: _rescaling,
    layers.Reshape: _reshape,
    layers.SpatialDropout2D: _same,
    layers.Subtract: _merge("Sub"),
    layers.UnitNormalization: _unit_norm,
    layers.UpSampling2D: _up,
    layers.ZeroPadding2D: _pad,
}
"""What writes each kind of layer."""

OPERATIONS: dict[str, Handler] = {"Pad": _margin}
"""What writes each of Keras' operations that stand in a model without a layer around them, by their class."""
