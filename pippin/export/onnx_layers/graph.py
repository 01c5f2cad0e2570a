"""The ONNX graph that layers are added to, and the tensors that flow through it.

Keras keeps channels last; ONNX convolutions need them first. A tensor stays in the layout in which it was last needed
and is transposed only where a layer needs the other layout.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np


class OnnxTensor(NamedTuple):
    """A tensor in the ONNX graph.

    Attributes:
        name: its name in the ONNX graph.
        shape: its shape in Keras, without the batch axis: channels last.
        channels_first: whether it has channels first in the ONNX graph.
    """

    name: str
    shape: tuple[int, ...]
    channels_first: bool = False


class OnnxGraph:
    """Collects the nodes and constants of an ONNX graph.

    Attributes:
        nodes: (operation, names of the inputs, name of the output, attributes) of each node, in order.
        constants: name → array.
    """

    def __init__(self) -> None:
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, np.ndarray] = {}

    def add_constant(self, array: Any, dtype: str = "float32") -> str:
        """Add a constant, and return its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, dtype)
        return name

    def add_channel_constant(self, array: Any, tensor: OnnxTensor) -> str:
        """Add a scalar, or one number for each channel, in a shape that broadcasts with `tensor`; return its name."""
        array = np.asarray(array)
        return self.add_constant(array.reshape(-1, 1, 1) if tensor.channels_first and array.ndim else array)

    def add_node(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        name = f"{operation.lower()}{len(self.nodes)}"
        self.nodes.append((operation, inputs, name, attributes))
        return name

    def to_channels_first(self, tensor: OnnxTensor) -> OnnxTensor:
        """Return an image tensor with channels first, transposed if necessary."""
        if tensor.channels_first:
            return tensor
        name = self.add_node("Transpose", [tensor.name], perm=[0, 3, 1, 2])
        return tensor._replace(name=name, channels_first=True)

    def to_channels_last(self, tensor: OnnxTensor) -> OnnxTensor:
        """Return a tensor with channels last, as in Keras, transposed if necessary."""
        if not tensor.channels_first:
            return tensor
        name = self.add_node("Transpose", [tensor.name], perm=[0, 2, 3, 1])
        return tensor._replace(name=name, channels_first=False)


Handler = Callable[[OnnxGraph, Any, list[OnnxTensor], tuple[int, ...]], tuple[str, bool]]
"""Adds a layer to a graph: `handler(graph, layer, inputs, output_shape) -> (output name, whether channels are first)`.

`output_shape` is the shape in Keras without the batch axis.
"""


def to_array(variable: Any) -> np.ndarray:
    """Return a Keras variable as a float64 array, so that what is computed from it is rounded only once."""
    return np.asarray(keras.ops.convert_to_numpy(variable), "float64")
