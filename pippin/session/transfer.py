"""A run that starts from another: what its networks take over, layer by layer.

Layers of the same name belong together. The coarse stages of larger pictures are wider: there the old filters are the
first ones, and what is new beside them says nothing to them yet (much as in Net2Net, Chen et al. 2015, arXiv
1511.05641). So the larger generator begins with the sketch that the smaller one painted.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from pippin.errors import RunError
from pippin.networks import Networks
from pippin.runs.run import Run


class Taken(NamedTuple):
    """How many layers with weights there are, and how many of them were taken over whole or in part."""

    layers: int
    whole: int
    partly: int


def start_from(parent: Run, networks: Networks) -> str:
    """Give new networks what a run learnt, as its pictures scored best.

    Args:
        parent: the run to start from.
        networks: of the new run; their weights are changed.

    Returns:
        What was taken over, in one plain sentence.

    Raises:
        RunError: the run has no checkpoint, paints larger pictures or other channels, or nothing of it fits.
    """
    old, new = parent.folder.load_network("ema_generator"), networks.generator
    (side, channels), (wanted, others) = ((model.output_shape[1], model.output_shape[3]) for model in (old, new))
    if channels != others:
        raise RunError(f"The run to start from paints {channels} channels, and here are {others}. {_got(parent)}")
    if side > wanted:
        raise RunError(
            f"The run to start from paints {side}×{side}, and here pictures are {wanted}×{wanted}: "
            f"sizes go up, not down; say --image-size {side} or more. {_got(parent)}"
        )
    pairs = (new, old), (networks.discriminator, parent.folder.load_network("discriminator"))
    taken = Taken(*map(sum, zip(*(take_over(*pair) for pair in pairs), strict=True)))
    if not taken.whole + taken.partly:
        raise RunError(f"The run to start from has no layer that these networks have too. {_got(parent)}")
    known = taken.whole + taken.partly
    partly = f", {taken.partly:,} of them in part" if taken.partly else ""
    others = "; the others start fresh" if known < taken.layers else ""
    return (
        f"{known:,} of {taken.layers:,} layers start as they are in {parent.path} at batch "
        f"{parent.folder.generator_batches:,}{partly}{others}"
    )


def take_over(new: keras.Model, old: keras.Model) -> Taken:
    """Give a network the weights of another one's layers of the same name, as far as they fit.

    Args:
        new: built; its weights are changed.
        old: built.
    """
    known, whole, partly = dict(_named(old)), 0, 0
    mine = dict(_named(new))
    for name, layer in mine.items():
        if name not in known or type(known[name]) is not type(layer):
            continue
        fresh, learnt = layer.get_weights(), known[name].get_weights()
        if [array.shape for array in fresh] == [array.shape for array in learnt]:
            layer.set_weights(learnt)
            whole += 1
        elif (grown := _grown(new, layer, fresh, learnt)) is not None:
            layer.set_weights(grown)
            partly += 1
    return Taken(len(mine), whole, partly)


def _named(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yield the layers that have weights; those that Keras named by counting are counted here, class by class."""
    counted: dict[type, int] = {}
    for layer in _layers(model):
        stem = re.sub(r"_\d+$", "", layer.name)
        if stem.replace("_", "") == type(layer).__name__.lower():
            counted[type(layer)] = counted.get(type(layer), 0) + 1
            yield f"{stem} number {counted[type(layer)]}", layer
        else:
            yield layer.name, layer


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif layer.weights:
            yield layer


def _grown(
    model: keras.Model, layer: keras.layers.Layer, fresh: list[np.ndarray], learnt: list[np.ndarray]
) -> list[np.ndarray] | None:
    """Return the weights of a layer of another width with the old ones in them; None where they do not fit."""
    kinds = {layers.BatchNormalization: None, layers.Conv2D: 2, layers.Dense: 0}
    after = _map_after(model, layer) if type(layer) is layers.Dense else ()
    if type(layer) not in kinds or (type(layer) is layers.Dense and not after):
        return None
    inputs = kinds[type(layer)]
    grown = []
    for new, old in zip(fresh, learnt, strict=True):
        try:
            views = [array.reshape(*array.shape[:-1], *after[:-1], -1) for array in (new, old)]
        except ValueError:  # the old outputs make no map of that size
            return None
        found = _set_in(views[0], views[1], inputs if new.ndim > 1 else None)
        if found is None:
            return None
        grown.append(found.reshape(new.shape))
    return grown


def _set_in(fresh: np.ndarray, old: np.ndarray, inputs: int | None) -> np.ndarray | None:
    """Set `old` into a corner of `fresh`; only their last axes, the outputs, and `inputs` may differ in length."""
    sides = list(zip(fresh.shape, old.shape, strict=True))
    if any(a != b for axis, (a, b) in enumerate(sides) if axis not in (fresh.ndim - 1, inputs)):
        return None
    corner = tuple(slice(min(pair)) for pair in sides)
    grown = fresh.copy()
    if inputs is not None:
        grown[..., corner[-1]] = 0  # what is new says nothing to the old outputs
    grown[corner] = old[corner]
    return grown


def _map_after(model: keras.Model, layer: keras.layers.Layer) -> tuple[int, ...]:
    """Return the shape in which a dense layer's outputs are laid out right behind it; () where they are not."""
    reshaping = (one for one in model.layers if isinstance(one, layers.Reshape) and one.input is layer.output)
    return next((one.target_shape for one in reshaping), ())


def _got(parent: Run) -> str:
    return f"Received: {parent.path}"
