"""Weight transfer: initialise the networks of a new run with the layers of another run, or with the start weights.

Layers of the same name correspond to each other. If the new layer is wider, as in the coarse stages of networks for
larger images, its first filters get the old weights, and the weights from the new filters to the old ones are zero, so
that the old filters compute what they did before (similar to Net2Net, Chen et al. 2015, arXiv 1511.05641). A larger
generator therefore starts with the coarse stages of the smaller one.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from pippin.errors import RunError
from pippin.networks import Networks, start_weights
from pippin.networks.named_weights import LayerWeights, named_layers, weights_by_name
from pippin.runs.run import Run


class Transfer(NamedTuple):
    """Numbers of layers with weights: all layers, and those initialised completely and partially from another run."""

    layers: int
    complete: int
    partial: int


def start_from(parent: Run, networks: Networks) -> str:
    """Initialise new networks with the layers of a run at its best checkpoint.

    Args:
        parent: the run to start from.
        networks: the networks of the new run; their weights are changed.

    Returns:
        One sentence on which layers were initialised.

    Raises:
        RunError: the run has no checkpoint, generates larger images or images with other channels, or has no layer that
            fits.
    """
    old, new = parent.folder.load_network("ema_generator"), networks.generator
    (old_side, _, old_channels), (side, _, channels) = old.output_shape[1:], new.output_shape[1:]
    if old_channels != channels:
        raise RunError(
            f"The parent run has images of {old_channels} channels, and this run has {channels}; choose "
            f"--channels {old_channels}, or another run. Received: {parent.path}"
        )
    if old_side > side:
        raise RunError(
            f"The parent run has images of {old_side}×{old_side} pixels, and this run has {side}×{side}, which "
            f"is smaller; choose --image-size {old_side} or more. Received: {parent.path}"
        )
    labels = label_count(networks.discriminator), len(parent.labels)
    total = _total([(new, old), (networks.discriminator, parent.folder.load_network("discriminator"))], labels)
    if not total.complete + total.partial:
        raise RunError(f"The parent run has no layer that fits these networks. Received: {parent.path}")
    return _summary(total, f"the weights of {parent.path} at batch {parent.folder.generator_batches:,}")


def start_from_synthetic(networks: Networks) -> str:
    """Initialise new networks with the start weights; see `pippin.networks.start_weights`.

    Args:
        networks: the networks of the new run; their weights are changed.

    Returns:
        One sentence on which layers were initialised.
    """
    pairs = zip((networks.generator, networks.discriminator), start_weights.load(), strict=True)
    return _summary(_total(pairs, (label_count(networks.discriminator), 0)), "weights trained on synthetic pictures")


def label_count(discriminator: keras.Model) -> int:
    """Return the number of labels that a discriminator takes; 0 if it takes none."""
    return next((int(tensor.shape[1]) for tensor in discriminator.inputs if tensor.name == "labels"), 0)


def transfer_layers(
    new: keras.Model, old: keras.Model | Mapping[str, LayerWeights], labels: tuple[int, int] = (0, 0)
) -> Transfer:
    """Copy the weights of the layers of the same name from one network to another, as far as they fit.

    Args:
        new: built network; its weights are changed.
        old: built network, or the weights of its layers by name.
        labels: number of labels behind the latents, of the new and the old generator.
    """
    trained_layers = weights_by_name(old) if isinstance(old, keras.Model) else old
    complete = partial = layers = 0
    for name, layer in named_layers(new):
        layers += 1
        kind, trained = trained_layers.get(name, ("", []))
        if kind != type(layer).__name__:
            continue
        initial = layer.get_weights()
        if [array.shape for array in initial] == [array.shape for array in trained]:
            layer.set_weights(trained)
            complete += 1
            continue
        if takes_inputs := _takes_inputs(new, layer):
            trained = [_with_latents(trained[0], len(initial[0]), *labels), *trained[1:]]
        if (widened := _widened(new, layer, initial, trained, takes_inputs)) is not None:
            layer.set_weights(widened)
            partial += 1
    return Transfer(layers, complete, partial)


def _total(
    pairs: Iterable[tuple[keras.Model, keras.Model | Mapping[str, LayerWeights]]], labels: tuple[int, int]
) -> Transfer:
    """Transfer layers between each pair of a new and an old network, and return the sums of the numbers."""
    return Transfer(*map(sum, zip(*(transfer_layers(*pair, labels) for pair in pairs), strict=True)))


def _summary(transfer: Transfer, origin: str) -> str:
    """Return one sentence on which layers start with weights of `origin`."""
    partial = f", {transfer.partial:,} of them partially" if transfer.partial else ""
    known = transfer.complete + transfer.partial
    rest = "; the others start with random weights" if known < transfer.layers else ""
    return f"{known:,} of {transfer.layers:,} layers start with {origin}{partial}{rest}"


def _takes_inputs(model: keras.Model, layer: keras.layers.Layer) -> bool:
    """Return whether a layer is dense and takes vectors of the length of the model's inputs, the latents and labels."""
    return type(layer) is layers.Dense and tuple(layer.input.shape) == tuple(model.inputs[0].shape)


def _with_latents(kernel: np.ndarray, inputs: int, labels: int, old_labels: int) -> np.ndarray:
    """Return the kernel of a dense layer for another number of latents, the labels still behind them.

    Args:
        kernel: (old inputs, units).
        inputs: new number of inputs.
        labels: how many of them are labels.
        old_labels: how many of the old inputs are labels. If it is another number, the labels are other ones.
    """
    result = np.zeros((inputs, kernel.shape[1]), kernel.dtype)
    kept = min(inputs - labels, len(kernel) - old_labels)
    result[:kept] = kernel[:kept]
    if labels == old_labels > 0:
        result[-labels:] = kernel[-labels:]
    return result


def _widened(
    model: keras.Model,
    layer: keras.layers.Layer,
    initial: list[np.ndarray],
    trained: list[np.ndarray],
    takes_inputs: bool,
) -> list[np.ndarray] | None:
    """Return the initial weights of a wider layer with the trained ones in them; None if they do not fit.

    If the new layer has no bias, the old bias is left out.
    """
    input_axes = {layers.BatchNormalization: None, layers.Conv2D: 2, layers.Dense: 0}
    map_shape = _shape_after(model, layer) if type(layer) is layers.Dense else ()
    if type(layer) not in input_axes or (type(layer) is layers.Dense and not (map_shape or takes_inputs)):
        return None
    if not getattr(layer, "use_bias", True):
        trained = trained[:1]
    if len(initial) != len(trained):
        return None
    input_axis = input_axes[type(layer)]
    widened = []
    for new, old in zip(initial, trained, strict=True):
        try:
            views = [array.reshape(*array.shape[:-1], *map_shape[:-1], -1) for array in (new, old)]
        except ValueError:  # the old outputs have another number of positions
            return None
        inserted = _inserted(views[0], views[1], input_axis if new.ndim > 1 else None)
        if inserted is None:
            return None
        widened.append(inserted.reshape(new.shape))
    return widened


def _inserted(initial: np.ndarray, old: np.ndarray, input_axis: int | None) -> np.ndarray | None:
    """Return `initial` with `old` in a corner; None if another axis than the inputs' and the last differs in length."""
    lengths = list(zip(initial.shape, old.shape, strict=True))
    if any(a != b for axis, (a, b) in enumerate(lengths) if axis not in (initial.ndim - 1, input_axis)):
        return None
    corner = tuple(slice(min(pair)) for pair in lengths)
    result = initial.copy()
    if input_axis is not None:
        result[..., corner[-1]] = 0  # the new inputs do not influence the old outputs
    result[corner] = old[corner]
    return result


def _shape_after(model: keras.Model, layer: keras.layers.Layer) -> tuple[int, ...]:
    """Return the shape to which a dense layer's outputs are reshaped directly after it; () if they are not."""
    reshapes = (other for other in model.layers if isinstance(other, layers.Reshape) and other.input is layer.output)
    return next((other.target_shape for other in reshapes), ())
