"""The networks: Keras models and nothing else."""

from typing import Any, NamedTuple

import keras
import numpy as np

from pippin.errors import NetworkError
from pippin.networks import classic, projector, standard

BUILDERS = {"standard": standard.build, "classic": classic.build}


class Networks(NamedTuple):
    """The two players, and what stands before the discriminator.

    Attributes:
        generator: latents (B, latent_dim) → images (B, S, S, C), C channels as `pippin.pictures.channels` has them.
            Labels stand behind the latents, where there are some.
        discriminator: images, or the projector's maps → logits (B, K).
        projector: images → maps, never trained; None where the discriminator sees the images themselves.
    """

    generator: keras.Model
    discriminator: keras.Model
    projector: keras.Model | None = None


def build(
    preset: str,
    image_size: int,
    latent_dim: int,
    seed: int = 0,
    features: str = "none",
    channels: int = 3,
    labels: int = 0,
) -> Networks:
    """Build a preset's networks with weights drawn from `seed`.

    Args:
        preset: a name in `BUILDERS`.
        image_size: side of the pictures in pixels.
        latent_dim: numbers that each picture is painted from.
        seed: from 0; only its lowest 32 bits reach Keras.
        features: "efficientnet-lite0" lets the standard discriminator judge those; "none" lets it judge pixels.
        channels: of the pictures: 1, 3 or 4.
        labels: kinds of pictures to tell apart; 0: none are. The generator takes them behind its latents, and the
            discriminator as one more input, both as `pippin.pictures.one_hot` gives them.

    Raises:
        NetworkError: the features' weights are not there, or the preset tells no labels apart.
    """
    eye = None if features == "none" else projector.build(image_size, channels)
    keras.utils.set_random_seed(seed % 2**32)
    if labels and preset != "standard":
        raise NetworkError(f"Only the networks of standard tell labels apart. Received: preset={preset}")
    more = {"projector": eye, "labels": labels} if preset == "standard" else {}
    pair = BUILDERS[preset](image_size, latent_dim, channels, **more)
    return Networks(*pair, eye)


def check(networks: Networks, image_size: int, channels: int = 3, labels: int = 0) -> int:
    """Check that the networks fit together and to the pictures.

    Args:
        networks: the generator must take latents (B, latent_dim) and give images (B, image_size, image_size, channels).
            Without a projector the discriminator must take such images and give one logit each, (B, 1) or (B,).
        image_size: side of the pictures in pixels.
        channels: of the pictures.
        labels: see `build`.

    Returns:
        The generator's `latent_dim`, without labels.

    Raises:
        NetworkError: the shapes do not fit, or a network cannot be written to disk.
    """
    generator, discriminator, _ = networks
    for name, model in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(model, keras.Model) or not model.built:
            raise NetworkError(f"The {name} must be a built Keras model; begin it with keras.Input(...). {_got(model)}")
        try:
            model.to_json()
        except Exception as problem:
            message = f"The {name} must be Sequential or functional, so that a run can keep it: {problem}"
            raise NetworkError(" ".join(message.split())) from None
    images = (None, image_size, image_size, channels)
    if len(generator.inputs) != 1 or len(generator.input_shape) != 2 or generator.input_shape[1] is None:
        raise NetworkError(f"The generator must take latents of shape (B, latent_dim). {_got(generator)}")
    if len(generator.outputs) != 1 or tuple(generator.output_shape) != images:
        raise NetworkError(f"The generator must give images of shape {_show(images)}. {_got(generator)}")
    if networks.projector is None and not labels:
        _check_judge(discriminator, images)
    return int(generator.input_shape[1]) - labels


def _check_judge(discriminator: keras.Model, images: tuple) -> None:
    if len(discriminator.inputs) != 1 or not _fits(discriminator.input_shape, images):
        raise NetworkError(f"The discriminator must take images of shape {_show(images)}. {_got(discriminator)}")
    if len(discriminator.outputs) != 1 or tuple(discriminator.output_shape) not in ((None, 1), (None,)):
        raise NetworkError(f"The discriminator must give one logit a picture, shape (B, 1). {_got(discriminator)}")
    if getattr(discriminator.layers[-1], "activation", None) is keras.activations.sigmoid:
        raise NetworkError(f"The discriminator must end without a sigmoid: losses take logits. {_got(discriminator)}")


def treats_images_independently(discriminator: keras.Model) -> bool:
    """Say whether, in training, a picture's logit is the same whatever else is in the batch.

    Found out by trying: one picture's neighbours are exchanged. Batch normalisation and minibatch statistics give
    themselves away; dropout does not, since it starts from the same seed both times.

    Args:
        discriminator: built Keras model.
    """
    rng = np.random.default_rng(0)
    shapes = [(1, *tensor.shape[1:]) for tensor in discriminator.inputs]
    first, one, other = ([rng.uniform(-1, 1, shape).astype("float32") for shape in shapes] for _ in range(3))
    weights = [np.array(variable) for variable in discriminator.trainable_variables]
    stats = [np.array(variable) for variable in discriminator.non_trainable_variables]

    def logit(neighbour: list[np.ndarray]) -> float:
        keras.utils.set_random_seed(0)  # Keras' PyTorch backend draws an unseeded dropout from the global generator
        batch = [keras.ops.convert_to_tensor(np.concatenate(pair)) for pair in zip(first, neighbour, strict=True)]
        seen = batch if len(batch) > 1 else batch[0]
        logits, _ = discriminator.stateless_call(weights, stats, seen, training=True)
        return float(keras.ops.convert_to_numpy(logits).ravel()[0])

    a, b = logit(one), logit(other)
    return abs(a - b) <= 1e-5 * max(1.0, abs(a))


def _fits(shape: tuple, wanted: tuple) -> bool:
    return len(shape) == len(wanted) and all(a in (None, b) for a, b in zip(shape, wanted, strict=True))


def _show(shape: tuple) -> str:
    return f"(B, {', '.join(str(side) for side in shape[1:])})"


def _got(model: Any) -> str:
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    if not all(isinstance(shape, tuple) for shape in shapes):
        return f"Received: {type(model).__name__}"
    return f"Received: {model.name} from {' to '.join(_show(shape) for shape in shapes if shape)}"
