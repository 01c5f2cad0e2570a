"""Elementwise layers as ONNX operations: activations, rescaling, and layers that do nothing at inference."""

from typing import Any

import numpy as np

from pippin.errors import ExportError
from pippin.export.onnx_layers.graph import OnnxGraph, OnnxTensor

OPERATION_OF = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "elu": "Elu",
    "selu": "Selu",
    "exponential": "Exp",
}
"""Keras activation functions that are one ONNX operation without attributes."""

SUPPORTED = ", ".join([*OPERATION_OF, "leaky_relu", "linear", "relu6", "silu", "softmax"])
"""All activation functions that `activate` can add, for its error message."""


def activate(graph: OnnxGraph, name: str, function: Any) -> str:
    """Add an activation function, and return the name of its output.

    Args:
        graph: the graph to add to.
        name: the name of the input.
        function: a Keras activation function; None is the identity.

    Raises:
        ExportError: the function is not supported.
    """
    kind = getattr(function, "__name__", str(function))
    if kind == "linear" or function is None:
        return name
    if kind in OPERATION_OF:
        return graph.add_node(OPERATION_OF[kind], [name])
    if kind == "leaky_relu":
        return graph.add_node("LeakyRelu", [name], alpha=0.2)
    if kind == "relu6":
        return _clip(graph, name, 6.0)
    if kind == "silu":
        return graph.add_node("Mul", [name, graph.add_node("Sigmoid", [name])])
    if kind == "softmax":
        return graph.add_node("Softmax", [name], axis=-1)
    raise ExportError(f"This activation cannot be exported to ONNX; use one of {SUPPORTED}. Received: {kind}")


def add_activation(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add an `Activation` layer."""
    softmax = getattr(layer.activation, "__name__", "") == "softmax"
    tensor = graph.to_channels_last(inputs[0]) if softmax else inputs[0]
    return activate(graph, tensor.name, layer.activation), tensor.channels_first


def add_relu(graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]) -> tuple[str, bool]:
    """Add a `ReLU` layer, which may have a negative slope and a maximum."""
    (tensor,) = inputs
    if layer.threshold:
        raise ExportError(f"A ReLU with a threshold cannot be exported to ONNX. Received: {layer.name}")
    if layer.negative_slope:
        name = graph.add_node("LeakyRelu", [tensor.name], alpha=float(layer.negative_slope))
        if layer.max_value is not None:
            name = graph.add_node("Min", [name, graph.add_constant(layer.max_value)])
    elif layer.max_value is not None:
        name = _clip(graph, tensor.name, layer.max_value)
    else:
        name = graph.add_node("Relu", [tensor.name])
    return name, tensor.channels_first


def add_leaky_relu(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `LeakyReLU` layer."""
    name = graph.add_node("LeakyRelu", [inputs[0].name], alpha=float(layer.negative_slope))
    return name, inputs[0].channels_first


def add_identity(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Return the input of a layer that does nothing at inference, such as `Dropout`."""
    return inputs[0].name, inputs[0].channels_first


def add_rescaling(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Rescaling` layer: x · scale + offset, each a scalar or one number for each channel."""
    (tensor,) = inputs
    name = graph.add_node("Mul", [tensor.name, graph.add_channel_constant(layer.scale, tensor)])
    if np.any(layer.offset):
        name = graph.add_node("Add", [name, graph.add_channel_constant(layer.offset, tensor)])
    return name, tensor.channels_first


def _clip(graph: OnnxGraph, name: str, maximum: float) -> str:
    """Clip to [0, maximum], and return the name of the output."""
    return graph.add_node("Clip", [name, graph.add_constant(0.0), graph.add_constant(maximum)])
