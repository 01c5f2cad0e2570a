"""The graph of a Keras model: computing properties of its layers without running them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras

from pippin.errors import NetworkError

Value = TypeVar("Value")


def propagate(
    model: keras.Model,
    inputs: Sequence[Value],
    apply: Callable[[Any, list[Value], list[Any]], list[Value]],
    whole: Callable[[keras.Model], bool] = lambda model: False,
) -> list[Value]:
    """Propagate values of any kind through a model, layer by layer, from its inputs to its outputs.

    Args:
        model: Built Keras model, Sequential or functional.
        inputs: One value for each of the model's inputs.
        apply: Called as `apply(layer, values, outputs)` with one value for each input of a layer and Keras' symbolic
            output tensors, which have shapes; returns one value for each output.
        whole: Called as `whole(model)` for a model within the model; returns whether that goes to `apply` like a
            layer. Otherwise the values are propagated through its layers.

    Returns:
        One value for each of the model's outputs.

    Raises:
        NetworkError: The model is neither Sequential nor functional, so its graph is unknown.
    """
    require_graph(model)
    function = _function(model)
    depths = function._nodes_by_depth
    values_of = {id(tensor): value for tensor, value in zip(function.inputs, inputs, strict=True)}
    for node in (node for depth in sorted(depths, reverse=True) for node in depths[depth]):
        if node.is_input:
            continue
        layer, values = node.operation, [values_of[id(tensor)] for tensor in node.input_tensors]
        is_nested = isinstance(layer, keras.Model) and is_graph(layer) and not whole(layer)
        results = propagate(layer, values, apply, whole) if is_nested else apply(layer, values, node.outputs)
        values_of.update((id(tensor), value) for tensor, value in zip(node.outputs, results, strict=True))
    return [values_of[id(tensor)] for tensor in function.outputs]


def early_weight_mask(model: keras.Model) -> list[bool]:
    """Return which of a model's trainable weights belong to its early layers.

    A layer is early if more layers with trainable weights follow it than precede it, counted along the longest path on
    either side. So if a model has a head for each input, each head has early layers.

    Args:
        model: Built Keras model. If it is neither Sequential nor functional, no weight is early.

    Returns:
        One bool for each of `model.trainable_variables`.
    """
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    owners: dict[int, int] = {}
    predecessors: dict[int, frozenset[int]] = {}

    def apply(layer: Any, values: list[frozenset[int]], outputs: list[Any]) -> list[frozenset[int]]:
        nearest = frozenset[int]().union(*values)
        if layer.trainable_variables:
            before[id(layer)] = max((before[one] + 1 for one in nearest), default=0)
            predecessors[id(layer)] = nearest
            owners.update((id(variable), id(layer)) for variable in layer.trainable_variables)
            nearest = frozenset([id(layer)])
        return [nearest] * len(outputs)

    if is_graph(model):
        propagate(model, [frozenset[int]()] * len(model.inputs), apply)
    for layer in reversed(predecessors):  # they are in the order of the graph, so those after a layer are counted
        after.setdefault(layer, 0)
        for one in predecessors[layer]:
            after[one] = max(after.get(one, 0), after[layer] + 1)
    layers = [owners.get(id(variable)) for variable in model.trainable_variables]
    return [layer is not None and before[layer] < after[layer] for layer in layers]


def require_graph(model: keras.Model) -> None:
    """Raise a `NetworkError` unless a model is built and Sequential or functional."""
    if not is_graph(model):
        raise NetworkError(f"A network must be Sequential or functional to be read. Received: {type(model).__name__}")


def is_graph(model: keras.Model) -> bool:
    """Return whether a model is built and Sequential or functional, so that its graph is known."""
    return hasattr(_function(model), "_nodes_by_depth")


def _function(model: keras.Model) -> Any:
    """Return the functional model that holds the graph; a Sequential model has one inside once it is built."""
    return model._functional if isinstance(model, keras.Sequential) else model
