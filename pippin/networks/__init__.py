"""The networks: Keras models and nothing else."""

from typing import Any

import keras
import numpy as np

from pippin.errors import NetworkError
from pippin.networks import classic, standard

BUILDERS = {"standard": standard.build, "classic": classic.build}


def build(preset: str, image_size: int, latent_dim: int, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    """Build a preset's pair with weights drawn from `seed`.

    Args:
        preset: a name in `BUILDERS`.
        image_size: side of the pictures in pixels.
        latent_dim: numbers that each picture is painted from.
        seed: from 0; only its lowest 32 bits reach Keras.

    Returns:
        `(generator, discriminator)`.
    """
    keras.utils.set_random_seed(seed % 2**32)
    return BUILDERS[preset](image_size, latent_dim)


def check_pair(generator: keras.Model, discriminator: keras.Model, image_size: int) -> int:
    """Check that two networks fit together and to the pictures.

    Args:
        generator: must take latents (B, latent_dim) and give images (B, image_size, image_size, 3).
        discriminator: must take such images and give one logit each, (B, 1) or (B,).
        image_size: side of the pictures in pixels.

    Returns:
        The generator's `latent_dim`.

    Raises:
        NetworkError: the shapes do not fit, or a network cannot be written to disk.
    """
    for name, model in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(model, keras.Model) or not model.built:
            raise NetworkError(f"The {name} must be a built Keras model; begin it with keras.Input(...). {_got(model)}")
        try:
            model.to_json()
        except Exception as problem:
            message = f"The {name} must be Sequential or functional, so that a run can keep it: {problem}"
            raise NetworkError(" ".join(message.split())) from None
    images = (None, image_size, image_size, 3)
    if len(generator.inputs) != 1 or len(generator.input_shape) != 2 or generator.input_shape[1] is None:
        raise NetworkError(f"The generator must take latents of shape (B, latent_dim). {_got(generator)}")
    if len(generator.outputs) != 1 or tuple(generator.output_shape) != images:
        raise NetworkError(f"The generator must give images of shape {_show(images)}. {_got(generator)}")
    if len(discriminator.inputs) != 1 or not _fits(discriminator.input_shape, images):
        raise NetworkError(f"The discriminator must take images of shape {_show(images)}. {_got(discriminator)}")
    if len(discriminator.outputs) != 1 or tuple(discriminator.output_shape) not in ((None, 1), (None,)):
        raise NetworkError(f"The discriminator must give one logit a picture, shape (B, 1). {_got(discriminator)}")
    if getattr(discriminator.layers[-1], "activation", None) is keras.activations.sigmoid:
        raise NetworkError(f"The discriminator must end without a sigmoid: losses take logits. {_got(discriminator)}")
    return int(generator.input_shape[1])


def treats_pictures_alone(discriminator: keras.Model) -> bool:
    """Say whether, in training, a picture's logit is the same whatever else is in the batch.

    Found out by trying: one picture's neighbours are exchanged. Batch normalisation and minibatch statistics give
    themselves away; dropout does not, since it starts from the same seed both times.

    Args:
        discriminator: built Keras model.
    """
    rng = np.random.default_rng(0)
    first, one, other = rng.uniform(-1, 1, (3, 1, *discriminator.input_shape[1:])).astype("float32")
    weights = [np.array(variable) for variable in discriminator.trainable_variables]
    stats = [np.array(variable) for variable in discriminator.non_trainable_variables]

    def logit(neighbour: Any) -> float:
        keras.utils.set_random_seed(0)  # Keras' PyTorch backend draws an unseeded dropout from the global generator
        batch = keras.ops.convert_to_tensor(np.concatenate([first, neighbour]))
        logits, _ = discriminator.stateless_call(weights, stats, batch, training=True)
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
