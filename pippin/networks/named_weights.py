"""Weights by the names of the layers, so that layers of different networks can be matched."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np


class LayerWeights(NamedTuple):
    """The weights of one layer.

    Attributes:
        kind: Name of the layer's class, such as "Conv2D".
        arrays: As `keras.layers.Layer.get_weights` returns them.
    """

    kind: str
    arrays: list[np.ndarray]


def weights_by_name(model: keras.Model) -> dict[str, LayerWeights]:
    """Return the weights of each layer by the name that `named_layers` yields."""
    return {name: LayerWeights(type(layer).__name__, layer.get_weights()) for name, layer in named_layers(model)}


def named_layers(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield the layers that have weights, with their names. Layers that Keras numbered are numbered per model here."""
    counts: dict[type, int] = {}
    for layer in _weight_layers(model):
        stem = re.sub(r"_\d+$", "", layer.name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            counts[type(layer)] = counts.get(type(layer), 0) + 1
            yield f"{stem} number {counts[type(layer)]}", layer
        else:
            yield layer.name, layer


def _weight_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield the layers that have weights, including those of nested models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _weight_layers(layer)
        elif layer.weights:
            yield layer
