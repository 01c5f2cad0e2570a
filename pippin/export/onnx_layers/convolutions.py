"""Dense layers, convolutions and pooling as ONNX operations."""

from typing import Any

from keras import layers

from pippin.export.onnx_layers.activations import activate
from pippin.export.onnx_layers.graph import OnnxGraph, OnnxTensor, to_array


def add_dense(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Dense` layer."""
    tensor = graph.to_channels_last(inputs[0])
    name = graph.add_node("MatMul", [tensor.name, graph.add_constant(to_array(layer.kernel))])
    if layer.use_bias:
        name = graph.add_node("Add", [name, graph.add_constant(to_array(layer.bias))])
    return activate(graph, name, layer.activation), False


def add_convolution(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Conv2D` or `DepthwiseConv2D` layer."""
    kernel, groups = to_array(layer.kernel), getattr(layer, "groups", 1)
    if isinstance(layer, layers.DepthwiseConv2D):
        rows, columns, groups, multiplier = kernel.shape
        kernel = kernel.reshape(rows, columns, 1, groups * multiplier)
    tensor = graph.to_channels_first(inputs[0])
    name = graph.add_node(
        "Conv",
        [tensor.name, graph.add_constant(kernel.transpose(3, 2, 0, 1)), *_bias(graph, layer)],
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        group=int(groups),
        pads=_pads(layer, layer.kernel_size, tensor.shape, output_shape),
    )
    return activate(graph, name, layer.activation), True


def add_transposed_convolution(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `Conv2DTranspose` layer: the transpose of the convolution that leads from its output to its input."""
    tensor = graph.to_channels_first(inputs[0])
    before, after, output_padding = [], [], []
    for axis, (kernel, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    ):
        surplus = (tensor.shape[axis] - 1) * stride + (kernel - 1) * dilation + 1 - output_shape[axis]
        before.append(max(surplus, 0) // 2)
        after.append(max(surplus, 0) - max(surplus, 0) // 2)
        output_padding.append(max(-surplus, 0))
    name = graph.add_node(
        "ConvTranspose",
        [tensor.name, graph.add_constant(to_array(layer.kernel).transpose(3, 2, 0, 1)), *_bias(graph, layer)],
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        pads=before + after,
        output_padding=output_padding,
    )
    return activate(graph, name, layer.activation), True


def add_locally_connected(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `LocallyConnected2D` layer: for each position, a matrix product of the images' patches there."""
    tensor = graph.to_channels_last(inputs[0])
    (top, bottom), (left, right) = layer.pads((None, *tensor.shape))
    pads = graph.add_constant([0, top, left, 0, 0, bottom, right, 0], "int64")
    padded = graph.add_node("Pad", [tensor.name, pads])
    axes, steps = graph.add_constant([1, 2], "int64"), graph.add_constant(layer.strides, "int64")
    shifted = []
    for s in range(layer.kernel_size[0]):
        for t in range(layer.kernel_size[1]):
            reach = [(side - 1) * stride + 1 for side, stride in zip(output_shape, layer.strides, strict=False)]
            starts = graph.add_constant([s, t], "int64")
            ends = graph.add_constant([s + reach[0], t + reach[1]], "int64")
            shifted.append(graph.add_node("Slice", [padded, starts, ends, axes, steps]))
    patches = graph.add_node("Concat", shifted, axis=3)  # (B, H', W', K)
    by_position = graph.add_node("Transpose", [patches], perm=[1, 2, 0, 3])  # (H', W', B, K)
    product = graph.add_node("MatMul", [by_position, graph.add_constant(to_array(layer.kernel))])
    name = graph.add_node("Transpose", [product], perm=[2, 0, 1, 3])  # (B, H', W', F)
    if layer.use_bias:
        name = graph.add_node("Add", [name, graph.add_constant(to_array(layer.bias))])
    return activate(graph, name, layer.activation), False


def add_pooling(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add an `AveragePooling2D` or `MaxPooling2D` layer."""
    tensor = graph.to_channels_first(inputs[0])
    name = graph.add_node(
        "AveragePool" if isinstance(layer, layers.AveragePooling2D) else "MaxPool",
        [tensor.name],
        kernel_shape=list(layer.pool_size),
        strides=list(layer.strides),
        pads=_pads(layer, layer.pool_size, tensor.shape, output_shape),
    )
    return name, True


def add_global_pooling(
    graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]
) -> tuple[str, bool]:
    """Add a `GlobalAveragePooling2D` or `GlobalMaxPooling2D` layer."""
    (tensor,) = inputs
    operation = "ReduceMean" if isinstance(layer, layers.GlobalAveragePooling2D) else "ReduceMax"
    axes = graph.add_constant([2, 3] if tensor.channels_first else [1, 2], "int64")
    name = graph.add_node(operation, [tensor.name, axes], keepdims=int(layer.keepdims))
    return name, tensor.channels_first and layer.keepdims


def _bias(graph: OnnxGraph, layer: Any) -> list[str]:
    """Return the name of a layer's bias in a list, which is empty if the layer has none."""
    return [graph.add_constant(to_array(layer.bias))] if layer.use_bias else []


def _pads(
    layer: Any, kernel: tuple[int, ...], input_shape: tuple[int, ...], output_shape: tuple[int, ...]
) -> list[int]:
    """Return the padding before each axis, then after each axis. Keras' "same" puts an odd one after."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    before, after = [], []
    dilations = getattr(layer, "dilation_rate", (1, 1))
    for side, output_side, size, stride, dilation in zip(
        input_shape, output_shape, kernel, layer.strides, dilations, strict=False
    ):
        both = max((output_side - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        before.append(both // 2)
        after.append(both - both // 2)
    return before + after
