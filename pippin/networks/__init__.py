"""Generators, discriminators and projectors: Keras models, built and checked."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from pippin.errors import NetworkError
from pippin.host.keras_config import default_keras_config
from pippin.networks import classic, projector, standard
from pippin.networks.initial_weights import deferred_weights
from pippin.networks.random_state import temporary_global_seed

BUILDERS: dict[str, Callable[..., tuple[keras.Model, keras.Model]]] = {
    "standard": standard.build,
    "classic": classic.build,
}
"""The function that builds each preset's generator and discriminator."""


class Networks(NamedTuple):
    """A generator, a discriminator, and the feature network in front of the discriminator.

    Attributes:
        generator: Latents (B, latent_dim) → images (B, S, S, C) in about [−1, 1], with C channels as in
            `pippin.pictures.channels`. A conditional generator takes latents and one-hot labels, concatenated.
        discriminator: Images, or the projector's K maps → logits (B, K). A conditional one takes one-hot labels as its
            last input. One with group heads takes the group statistics (`pippin.networks.groups`) of as many of the
            first maps after all maps, and its second output are the logits of the groups (G, `group_heads`).
        projector: Images → K feature maps, frozen; None: the discriminator takes images.
    """

    generator: keras.Model
    discriminator: keras.Model
    projector: keras.Model | None = None

    @property
    def noise_dimensions(self) -> int:
        """Number of latents, the last ones before the labels, that are noise maps of the generator; 0 if none are."""
        crops = (layer for layer in self.generator.layers if re.fullmatch(r"noise\d+_latents", layer.name))
        return sum(int(layer.output.shape[1]) for layer in crops)

    @property
    def group_heads(self) -> int:
        """Number of the discriminator's group heads; 0 if it has none."""
        outputs = self.discriminator.outputs
        return int(outputs[1].shape[-1]) if len(outputs) > 1 else 0


@default_keras_config()
def build(
    preset: str,
    image_size: int,
    latent_dim: int,
    seed: int = 0,
    features: str = "none",
    channels: int = 3,
    labels: int = 0,
    width: float = 1.0,
) -> Networks:
    """Build the networks of a preset.

    Args:
        preset: A name in `BUILDERS`.
        image_size: Side of the images in pixels, a power of two from 16 to 512.
        latent_dim: Length of the latent vectors.
        seed: Seed of the initial weights, from 0; only its lowest 32 bits count. The same seed gives the same weights
            on every engine. Global random generators are neither read nor changed.
        features: "efficientnet-lite0": the standard discriminator takes that network's feature maps; "none": it takes
            images.
        channels: Channels of the images: 1, 3 or 4.
        labels: Number of classes; 0: the networks are unconditional. The generator takes one-hot labels behind the
            latents, the discriminator as one more input, both as `pippin.pictures.one_hot` encodes them.

        width: Multiplier of the layers' widths, for the standard preset only.

    Returns:
        The networks, with initial weights.

    Raises:
        NetworkError: The features' weights are missing, or the preset has no conditional networks.
    """
    if labels and preset != "standard":
        raise NetworkError(f"Only the standard preset supports labels. Received: preset={preset}")
    feature_network = None if features == "none" else projector.build(image_size, channels)
    options: dict[str, Any] = {}
    if preset == "standard":
        options = {"projector": feature_network, "labels": labels, "width": width}
    with deferred_weights():
        generator, discriminator = BUILDERS[preset](image_size, latent_dim, channels, seed=seed % 2**32, **options)
    return Networks(generator, discriminator, feature_network)


def check(networks: Networks, image_size: int, channels: int = 3, labels: int = 0) -> int:
    """Check that the networks fit together and fit the images.

    Args:
        networks: The generator must take latents (B, latent_dim) and return images (B, image_size, image_size,
            channels). Without a projector, the discriminator must take such images and return one logit each, (B, 1) or
            (B,).
        image_size: Side of the images in pixels.
        channels: Channels of the images.
        labels: Number of classes, see `build`.

    Returns:
        The generator's `latent_dim`, without labels.

    Raises:
        NetworkError: A shape does not fit, or a network cannot be written to disk.
    """
    generator, discriminator, _ = networks
    for name, model in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(model, keras.Model) or not model.built:
            message = f"The {name} must be a built Keras model; begin it with keras.Input(...)"
            raise NetworkError(f"{message}. {_received(model)}")
        try:
            model.to_json()
        except Exception as problem:
            message = f"The {name} must be Sequential or functional, so that a run can keep it: {problem}"
            raise NetworkError(" ".join(message.split())) from None
        _check_float32(name, model)
    images = (None, image_size, image_size, channels)
    if len(generator.inputs) != 1 or len(generator.input_shape) != 2 or generator.input_shape[1] is None:
        raise NetworkError(f"The generator must take latents of shape (B, latent_dim). {_received(generator)}")
    if len(generator.outputs) != 1 or tuple(generator.output_shape) != images:
        raise NetworkError(f"The generator must return images of shape {_show(images)}. {_received(generator)}")
    if networks.projector is None and not labels:
        _check_discriminator(discriminator, images)
    return int(generator.input_shape[1]) - labels


def _check_float32(name: str, model: keras.Model) -> None:
    """Raise a `NetworkError` unless all layers of a model have weights and compute in float32."""
    for layer in model._flatten_layers():
        policy = layer.dtype_policy
        if {policy.compute_dtype, policy.variable_dtype} != {"float32"}:
            message = f"The {name} must compute in float32; build it with keras.config.set_dtype_policy('float32')"
            raise NetworkError(f"{message}. Received: {layer.name} in {policy.name}")


def _check_discriminator(discriminator: keras.Model, images: tuple) -> None:
    """Raise a `NetworkError` unless the discriminator maps images to one logit each."""
    received = _received(discriminator)
    if len(discriminator.inputs) != 1 or not _fits(discriminator.input_shape, images):
        raise NetworkError(f"The discriminator must take images of shape {_show(images)}. {received}")
    if len(discriminator.outputs) != 1 or tuple(discriminator.output_shape) not in ((None, 1), (None,)):
        raise NetworkError(f"The discriminator must return one logit per image, shape (B, 1). {received}")
    if getattr(discriminator.layers[-1], "activation", None) is keras.activations.sigmoid:
        raise NetworkError(f"The discriminator must end without a sigmoid: the losses take logits. {received}")


def treats_images_independently(discriminator: keras.Model) -> bool:
    """Return whether, in training mode, the logit of an image does not depend on the rest of the batch.

    This is measured: the logit of one image must stay the same when the other image of the batch is replaced. Batch
    normalisation and minibatch statistics change it. Dropout does not, because both passes start from the same random
    state.

    Args:
        discriminator: Built Keras model. Its variables are not changed.
    """
    rng = np.random.default_rng(0)
    shapes = [(1, *tensor.shape[1:]) for tensor in discriminator.inputs]
    image, neighbour, other = ([rng.uniform(-1, 1, shape).astype("float32") for shape in shapes] for _ in range(3))
    weights = [np.array(variable) for variable in discriminator.trainable_variables]
    stats = [np.array(variable) for variable in discriminator.non_trainable_variables]

    def logits_beside(neighbour: list[np.ndarray]) -> np.ndarray:
        batch = [keras.ops.convert_to_tensor(np.concatenate(pair)) for pair in zip(image, neighbour, strict=True)]
        with temporary_global_seed(0):  # unseeded layers draw from global generators
            inputs = batch if len(batch) > 1 else batch[0]
            outputs, _ = discriminator.stateless_call(weights, stats, inputs, training=True)
        logits = [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]
        return np.concatenate([each.reshape(len(each), -1)[0] for each in logits])

    one, two = logits_beside(neighbour), logits_beside(other)
    return bool((abs(one - two) <= 1e-5 * np.maximum(1.0, abs(one))).all())


def _fits(shape: tuple, wanted: tuple) -> bool:
    return len(shape) == len(wanted) and all(a in (None, b) for a, b in zip(shape, wanted, strict=True))


def _show(shape: tuple) -> str:
    return f"(B, {', '.join(str(side) for side in shape[1:])})"


def _received(model: Any) -> str:
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    if not all(isinstance(shape, tuple) for shape in shapes):
        return f"Received: {type(model).__name__}"
    return f"Received: {model.name} from {' to '.join(_show(shape) for shape in shapes if shape)}"
