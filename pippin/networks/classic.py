"""The article's pair: two `Sequential` models, widened from grey to RGB and to any power-of-two size."""

import random

import keras
from keras import Sequential, layers

SMALLEST = 4
"""Side of the smallest feature maps, in pixels."""


def build(image_size: int, latent_dim: int, channels: int = 3) -> tuple[keras.Model, keras.Model]:
    """Build the classic generator and discriminator.

    The generator doubles the picture with `UpSampling2D` and convolves, stage by stage; the discriminator halves it
    with strided convolutions, and forgets a third of what it sees with `Dropout`. Both end where the other begins.

    Args:
        image_size: side of the pictures in pixels, a power of two from 16 to 256.
        latent_dim: numbers that each picture is painted from.
        channels: of the pictures.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) → images (B, S, S, channels) in [−1, 1], and images →
        logits (B, 1).
    """
    stages = (image_size // SMALLEST).bit_length() - 1
    filters = [min(256, 32 * 2**stage) for stage in range(stages)]
    return _generator(latent_dim, filters[::-1], channels), _discriminator(image_size, filters, channels)


def _generator(latent_dim: int, filters: list[int], channels: int) -> keras.Model:
    model = Sequential([keras.Input((latent_dim,), name="latents")], name="generator")
    model.add(layers.Dense(SMALLEST * SMALLEST * filters[0]))
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.Activation("relu"))
    model.add(layers.Reshape((SMALLEST, SMALLEST, filters[0])))
    for width in filters[1:]:
        model.add(layers.UpSampling2D())
        model.add(layers.Conv2D(width, 5, padding="same"))
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
    model.add(layers.UpSampling2D())
    model.add(layers.Conv2D(channels, 5, padding="same"))
    model.add(layers.Activation("tanh"))
    return model


def _discriminator(image_size: int, filters: list[int], channels: int) -> keras.Model:
    model = Sequential([keras.Input((image_size, image_size, channels), name="images")], name="discriminator")
    for width in filters:
        model.add(layers.Conv2D(width, 5, strides=2, padding="same"))
        model.add(layers.LeakyReLU(negative_slope=0.2))
        # With a seed it draws from its own state; without one Keras' PyTorch backend draws from PyTorch's global one,
        # and a resumed run would differ. Keras chooses its seeds from the same source.
        model.add(layers.Dropout(0.3, seed=random.randrange(2**31)))
    model.add(layers.Flatten())
    model.add(layers.Dense(1, name="logit"))
    return model
