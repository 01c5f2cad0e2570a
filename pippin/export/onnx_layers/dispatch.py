"""Which function adds which kind of layer to an ONNX graph."""

from typing import Any

from keras import layers

from pippin.errors import ExportError
from pippin.export.onnx_layers import activations, convolutions, normalisation, shapes
from pippin.export.onnx_layers.graph import Handler, OnnxGraph, OnnxTensor
from pippin.networks.layers import LocallyConnected2D

HANDLERS: dict[type[layers.Layer], Handler] = {
    layers.Activation: activations.add_activation,
    layers.Add: shapes.merge_with("Add"),
    layers.Average: shapes.merge_with("Add"),
    layers.AveragePooling2D: convolutions.add_pooling,
    layers.BatchNormalization: normalisation.add_batch_norm,
    layers.Concatenate: shapes.add_concatenate,
    layers.Conv2D: convolutions.add_convolution,
    layers.Conv2DTranspose: convolutions.add_transposed_convolution,
    layers.Cropping1D: shapes.add_cropping,
    layers.Cropping2D: shapes.add_cropping,
    layers.Dense: convolutions.add_dense,
    layers.DepthwiseConv2D: convolutions.add_convolution,
    layers.Dropout: activations.add_identity,
    layers.Flatten: shapes.add_reshape,
    layers.GaussianNoise: activations.add_identity,
    layers.GlobalAveragePooling2D: convolutions.add_global_pooling,
    layers.GlobalMaxPooling2D: convolutions.add_global_pooling,
    layers.Identity: activations.add_identity,
    layers.LayerNormalization: normalisation.add_layer_norm,
    layers.LeakyReLU: activations.add_leaky_relu,
    LocallyConnected2D: convolutions.add_locally_connected,
    layers.MaxPooling2D: convolutions.add_pooling,
    layers.Maximum: shapes.merge_with("Max"),
    layers.Minimum: shapes.merge_with("Min"),
    layers.Multiply: shapes.merge_with("Mul"),
    layers.Permute: shapes.add_permute,
    layers.RMSNormalization: normalisation.add_rms_norm,
    layers.ReLU: activations.add_relu,
    layers.RepeatVector: shapes.add_repeat_vector,
    layers.Rescaling: activations.add_rescaling,
    layers.Reshape: shapes.add_reshape,
    layers.SpatialDropout2D: activations.add_identity,
    layers.Subtract: shapes.merge_with("Sub"),
    layers.UnitNormalization: normalisation.add_unit_norm,
    layers.UpSampling2D: shapes.add_upsampling,
    layers.ZeroPadding2D: shapes.add_zero_padding,
}
"""Layer class → its handler."""

OPERATIONS: dict[str, Handler] = {"Pad": shapes.add_pad_operation}
"""Class name of a `keras.ops` operation that is used in a model without a layer → its handler."""


def add_layer(graph: OnnxGraph, layer: Any, inputs: list[OnnxTensor], output_shape: tuple[int, ...]) -> OnnxTensor:
    """Add a layer to a graph.

    Args:
        graph: the graph to add to.
        layer: a Keras layer or operation.
        inputs: its input tensors.
        output_shape: the shape of its output in Keras, without the batch axis.

    Returns:
        Its output tensor.

    Raises:
        ExportError: there is no handler for the layer's class, or the layer keeps channels first in Keras.
    """
    handler = handler_of(layer)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ExportError(f"Only layers with channels last can be exported to ONNX. Received: {layer.name}")
    name, channels_first = handler(graph, layer, inputs, output_shape)
    return OnnxTensor(name, output_shape, channels_first)


def handler_of(layer: Any) -> Handler:
    """Return the handler of a layer or operation.

    A subclass that overrides `call` computes something else than its base class, so it has no handler.

    Raises:
        ExportError: there is none.
    """
    if not isinstance(layer, layers.Layer) and type(layer).__name__ in OPERATIONS:
        return OPERATIONS[type(layer).__name__]
    for base in type(layer).__mro__:
        if base in HANDLERS and type(layer).call is base.call:
            return HANDLERS[base]
    supported = ", ".join(sorted(kind.__name__ for kind in HANDLERS))
    received = f"{type(layer).__name__} ({layer.name})"
    raise ExportError(
        f"A layer of this kind cannot be exported to ONNX; use layers of these kinds: {supported}. Received: {received}"
    )
