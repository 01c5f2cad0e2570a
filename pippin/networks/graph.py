"""A Keras model as the graph it is: which layer takes what, for whoever reads a network without running it."""

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
        model: built, Sequential or functional.
        inputs: one value for each of the model's inputs.
        apply: (layer, values, output tensors) → one value for each output: what a layer makes of its inputs. The
            tensors are Keras' symbolic ones; they tell shapes.
        whole: says of a model within the model whether it goes to `apply` like a layer, instead of being walked too.

    Returns:
        One value for each of the model's outputs.

    Raises:
        NetworkError: the model is neither Sequential nor functional, so that its layers cannot be told from outside.
    """
    require_graph(model)
    function = _function(model)
    depths = function._nodes_by_depth
    known = {id(tensor): value for tensor, value in zip(function.inputs, inputs, strict=True)}
    for node in (node for depth in sorted(depths, reverse=True) for node in depths[depth]):
        if node.is_input:
            continue
        layer, values = node.operation, [known[id(tensor)] for tensor in node.input_tensors]
        inside = isinstance(layer, keras.Model) and is_graph(layer) and not whole(layer)
        found = propagate(layer, values, apply, whole) if inside else apply(layer, values, node.outputs)
        known.update((id(tensor), value) for tensor, value in zip(node.outputs, found, strict=True))
    return [known[id(tensor)] for tensor in function.outputs]


def early_weight_mask(model: keras.Model) -> list[bool]:
    """Say which of a model's trained weights belong to its early layers.

    A layer is early where more layers with trained weights follow than precede it, on the longest way on either side;
    so a head of its own for each input has early layers of its own.

    Args:
        model: built; of one that is neither Sequential nor functional nothing is early.

    Returns:
        One for each of `model.trainable_variables`.
    """
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    owners: dict[int, int] = {}
    behind: dict[int, frozenset[int]] = {}

    def apply(layer: Any, values: list[frozenset[int]], outputs: list[Any]) -> list[frozenset[int]]:
        nearest = frozenset[int]().union(*values)
        if layer.trainable_variables:
            before[id(layer)] = max((before[one] + 1 for one in nearest), default=0)
            behind[id(layer)] = nearest
            owners.update((id(variable), id(layer)) for variable in layer.trainable_variables)
            nearest = frozenset([id(layer)])
        return [nearest] * len(outputs)

    if is_graph(model):
        propagate(model, [frozenset[int]()] * len(model.inputs), apply)
    for layer in reversed(behind):  # walked from the inputs on, so what follows a layer is counted before it
        after.setdefault(layer, 0)
        for one in behind[layer]:
            after[one] = max(after.get(one, 0), after[layer] + 1)
    layers = [owners.get(id(variable)) for variable in model.trainable_variables]
    return [layer is not None and before[layer] < after[layer] for layer in layers]


def require_graph(model: keras.Model) -> None:
    """Raise a `NetworkError` unless a model is Sequential or functional, and built."""
    if not is_graph(model):
        raise NetworkError(f"A network must be Sequential or functional to be read. Received: {type(model).__name__}")


def is_graph(model: keras.Model) -> bool:
    """Say whether a model is Sequential or functional, so that it can be walked."""
    return hasattr(_function(model), "_nodes_by_depth")


def _function(model: keras.Model) -> Any:
    """A Sequential model keeps its graph in a functional one; there is none before it is built."""
    return model._functional if isinstance(model, keras.Sequential) else model
