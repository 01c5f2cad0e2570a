"""Normalisation layers as ONNX operations."""

from typing import Any

import numpy as np

from pippin.errors import ExportError
from pippin.export.onnx_layers.graph import OnnxGraph, OnnxTensor, to_array


def add_batch_norm(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `BatchNormalization` layer at inference: one scale and one shift from its moving averages."""
    (tensor,) = inputs
    _require_last_axis(layer, layer.axis, output_shape)
    mean, variance = to_array(layer.moving_mean), to_array(layer.moving_variance)
    scale = (to_array(layer.gamma) if layer.scale else 1.0) / np.sqrt(variance + layer.epsilon)
    shift = (to_array(layer.beta) if layer.center else 0.0) - mean * scale
    name = graph.add_node("Mul", [tensor.name, graph.add_channel_constant(scale, tensor)])
    return graph.add_node("Add", [name, graph.add_channel_constant(shift, tensor)]), tensor.channels_first


def add_layer_norm(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `LayerNormalization` layer."""
    tensor = graph.to_channels_last(inputs[0])
    _require_last_axis(layer, layer.axis, output_shape)
    scale = to_array(layer.gamma) if layer.gamma is not None else np.ones(output_shape[-1])
    shift = to_array(layer.beta) if layer.beta is not None else np.zeros(output_shape[-1])
    names = [tensor.name, graph.add_constant(scale), graph.add_constant(shift)]
    return graph.add_node("LayerNormalization", names, axis=-1, epsilon=float(layer.epsilon)), False


def add_rms_norm(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add an `RMSNormalization` layer: x / sqrt(mean(x²) + ε) · scale."""
    tensor = graph.to_channels_last(inputs[0])
    _require_last_axis(layer, layer.axis, output_shape)
    square = graph.add_node("Mul", [tensor.name, tensor.name])
    mean = graph.add_node("ReduceMean", [square, graph.add_constant([-1], "int64")], keepdims=1)
    root = graph.add_node("Sqrt", [graph.add_node("Add", [mean, graph.add_constant(layer.epsilon)])])
    normalised = graph.add_node("Div", [tensor.name, root])
    return graph.add_node("Mul", [normalised, graph.add_constant(to_array(layer.scale))]), False


def add_unit_norm(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `UnitNormalization` layer: x / ‖x‖."""
    tensor = graph.to_channels_last(inputs[0])
    _require_last_axis(layer, layer.axis, output_shape)
    return graph.add_node("LpNormalization", [tensor.name], axis=-1, p=2), False


def _require_last_axis(layer: Any, axis: Any, output_shape: tuple[int, ...]) -> None:
    """Raise an `ExportError` unless a layer normalises the last axis only."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    if axes not in ([-1], [len(output_shape)]):
        raise ExportError(f"Only normalisation of the last axis can be exported to ONNX. Received: {layer.name}")
