"""What a layer costs for one picture, on the way forward."""

import math
from typing import Any

from keras import layers

FREE = (
    layers.InputLayer,
    layers.Reshape,
    layers.Permute,
    layers.Flatten,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Concatenate,
    layers.Identity,
)
"""Move numbers, or do nothing outside training."""

BILINEAR = 8
"""Operations a pixel: the weighted sum of four, along each axis in turn."""


def memory(outputs: list[Any]) -> int:
    """Return how many bytes of float32 a layer gives for one picture.

    Args:
        outputs: its symbolic outputs.
    """
    return sum(4 * elements(tensor) for tensor in outputs)


def flop(layer: Any, inputs: list[tuple[int, ...]], outputs: list[Any]) -> int:
    """Return how many floating-point operations a layer does for one picture.

    A kernel is used once at every place of the output (a transposed one at every place of the input), and each of its
    weights costs a product and a sum. Everything else is counted as one operation a number that comes out, pooling as
    one a number that goes in.

    Args:
        layer: a Keras layer.
        inputs: its inputs' shapes, without the batch.
        outputs: its symbolic outputs.
    """
    if isinstance(layer, FREE):
        return 0
    given = sum(elements(tensor) for tensor in outputs)
    kernels = [weight.shape for weight in getattr(layer, "weights", []) if len(weight.shape) > 1]
    if kernels:
        transposed = "Transpose" in type(layer).__name__
        places = math.prod(inputs[0][:-1]) if transposed else math.prod(outputs[0].shape[1:-1])
        return 2 * places * sum(math.prod(shape) for shape in kernels)
    if "Pooling" in type(layer).__name__:
        return sum(math.prod(shape) for shape in inputs)
    if isinstance(layer, layers.UpSampling2D):
        return 0 if layer.interpolation == "nearest" else BILINEAR * given
    return given * max(1, len(inputs) - 1)


def elements(tensor: Any) -> int:
    """Return how many numbers a symbolic tensor holds for one picture; a side that is not known counts as one."""
    return math.prod(side or 1 for side in tensor.shape[1:])
