"""Memory and operations of a layer in the forward pass of one image."""

import math
from typing import Any

from keras import layers

from pippin.networks.layers import LocallyConnected2D

WITHOUT_OPERATIONS = (
    layers.InputLayer,
    layers.Reshape,
    layers.Permute,
    layers.Flatten,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.ZeroPadding2D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Concatenate,
    layers.Identity,
)
"""Layers that only move values, or do nothing during inference."""

BILINEAR_FLOP = 8
"""Operations of bilinear up-sampling for each output value: a weighted sum of four input values."""


def memory(outputs: list[Any]) -> int:
    """Return the size of a layer's outputs for one image in float32, in bytes.

    Args:
        outputs: the symbolic output tensors.
    """
    return sum(4 * elements(tensor) for tensor in outputs)


def flop(layer: Any, inputs: list[tuple[int, ...]], outputs: list[Any]) -> int:
    """Return the number of floating-point operations of a layer for one image.

    A kernel is applied at each position of the output, or of the input for a transposed convolution. Each of its
    weights costs a multiplication and an addition. Pooling counts one operation for each input value, and all other
    layers count one for each output value.

    Args:
        layer: a Keras layer.
        inputs: the shapes of its inputs, without the batch dimension.
        outputs: the symbolic output tensors.
    """
    if isinstance(layer, WITHOUT_OPERATIONS):
        return 0
    output_size = sum(elements(tensor) for tensor in outputs)
    if isinstance(layer, LocallyConnected2D):  # its kernel has weights of its own for each position
        return 2 * math.prod(layer.kernel.shape)
    kernels = [weight.shape for weight in getattr(layer, "weights", []) if len(weight.shape) > 1]
    if kernels:
        transposed = "Transpose" in type(layer).__name__
        positions = math.prod(inputs[0][:-1]) if transposed else math.prod(outputs[0].shape[1:-1])
        return 2 * positions * sum(math.prod(shape) for shape in kernels)
    if "Pooling" in type(layer).__name__:
        return sum(math.prod(shape) for shape in inputs)
    if isinstance(layer, layers.UpSampling2D):
        return 0 if layer.interpolation == "nearest" else BILINEAR_FLOP * output_size
    return output_size * max(1, len(inputs) - 1)


def elements(tensor: Any) -> int:
    """Return the number of values of a symbolic tensor for one image. An unknown side counts as 1."""
    return math.prod(side or 1 for side in tensor.shape[1:])
