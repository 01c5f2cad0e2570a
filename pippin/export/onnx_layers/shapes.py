"""Layers that resize, pad, crop, reshape or merge tensors, as ONNX operations."""

from typing import Any

import numpy as np
from keras import layers

from pippin.errors import ExportError
from pippin.export.onnx_layers.graph import Handler, OnnxGraph, OnnxTensor


def add_upsampling(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add an `UpSampling2D` layer, nearest or bilinear."""
    tensor = graph.to_channels_first(inputs[0])
    if layer.interpolation not in ("nearest", "bilinear"):
        raise ExportError(
            f"Upsampling must be nearest or bilinear for export to ONNX. Received: {layer.interpolation} ({layer.name})"
        )
    nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    linear = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    attributes = nearest if layer.interpolation == "nearest" else linear
    return graph.add_node("Resize", [tensor.name, "", graph.add_constant([1, 1, *layer.size])], **attributes), True


def add_zero_padding(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `ZeroPadding2D` layer."""
    tensor = graph.to_channels_last(inputs[0])
    (top, bottom), (left, right) = layer.padding
    pads = graph.add_constant([0, top, left, 0, 0, bottom, right, 0], "int64")
    return graph.add_node("Pad", [tensor.name, pads]), False


def add_pad_operation(
    graph: OnnxGraph, operation: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add `keras.ops.pad` with zeros, or with one pixel repeated at each edge ("symmetric" with a width of one)."""
    (tensor,) = inputs
    widths = np.array(operation.pad_width)[[0, 3, 1, 2] if tensor.channels_first else ...]
    modes = {"constant": "constant", "symmetric": "edge" if widths.max() <= 1 else None}
    mode = modes.get(operation.mode)
    if mode is None:
        raise ExportError(
            "Only padding with zeros, or with one repeated pixel, can be exported to ONNX. "
            f"Received: {operation.mode} by {operation.pad_width}"
        )
    name = graph.add_node("Pad", [tensor.name, graph.add_constant(widths.T.ravel(), "int64")], mode=mode)
    return name, tensor.channels_first


def add_cropping(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Cropping1D` or `Cropping2D` layer."""
    tensor = graph.to_channels_last(inputs[0])
    starts = [first for first, _ in np.reshape(layer.cropping, (-1, 2)).tolist()]
    ends = [start + size for start, size in zip(starts, output_shape, strict=False)]
    axes = list(range(1, 1 + len(starts)))
    limits = [graph.add_constant(numbers, "int64") for numbers in (starts, ends, axes)]
    return graph.add_node("Slice", [tensor.name, *limits]), False


def add_reshape(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Reshape` or `Flatten` layer."""
    tensor = graph.to_channels_last(inputs[0])
    return graph.add_node("Reshape", [tensor.name, graph.add_constant([-1, *output_shape], "int64")]), False


def add_permute(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Permute` layer."""
    tensor = graph.to_channels_last(inputs[0])
    return graph.add_node("Transpose", [tensor.name], perm=[0, *layer.dims]), False


def add_repeat_vector(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `RepeatVector` layer."""
    expanded = graph.add_node("Unsqueeze", [inputs[0].name, graph.add_constant([1], "int64")])
    return graph.add_node("Tile", [expanded, graph.add_constant([1, layer.n, 1], "int64")]), False


def add_concatenate(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Concatenate` layer."""
    axis = layer.axis % (len(output_shape) + 1)
    if all(tensor.channels_first for tensor in inputs):
        return graph.add_node("Concat", [tensor.name for tensor in inputs], axis=[0, 2, 3, 1][axis]), True
    names = [graph.to_channels_last(tensor).name for tensor in inputs]
    return graph.add_node("Concat", names, axis=axis), False


def merge_with(operation: str) -> Handler:
    """Return the handler of a merging layer, such as `Add`: an operation from each input to the next."""

    def add_merge(
        graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
    ) -> tuple[str, bool]:
        if len({len(tensor.shape) for tensor in inputs}) > 1:
            raise ExportError(
                f"The inputs of a merging layer must have the same number of axes for ONNX. Received: {layer.name}"
            )
        first = any(tensor.channels_first for tensor in inputs)
        names = [(graph.to_channels_first(tensor) if first else tensor).name for tensor in inputs]
        total = names[0]
        for name in names[1:]:
            total = graph.add_node(operation, [total, name])
        if isinstance(layer, layers.Average):
            total = graph.add_node("Mul", [total, graph.add_constant(1 / len(names))])
        return total, first

    return add_merge
