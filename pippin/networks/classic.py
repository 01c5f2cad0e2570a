"""The article's pair: two `Sequential` models, extended from grey to RGB and to any power-of-two size."""

import random
from typing import Any

import keras
from keras import Sequential, layers

from pippin.networks.random_state import next_seed

MIN_SIDE = 4
"""Side of the smallest feature maps, in pixels: the generator's first ones and the discriminator's last ones."""


def build(image_size: int, latent_dim: int, channels: int = 3, seed: int = 0) -> tuple[keras.Model, keras.Model]:
    """Build the classic generator and discriminator.

    The generator doubles the resolution with `UpSampling2D` and convolves, stage by stage. The discriminator halves it
    with strided convolutions, each followed by `Dropout` of 0.3.

    Args:
        image_size: Side of the images in pixels, a power of two from 16 to 512.
        latent_dim: Length of the latent vectors.
        channels: Channels of the images.
        seed: Seed of the initial weights and of the dropout.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) → images (B, S, S, channels) in [−1, 1], and images →
        logits (B, 1).
    """
    rng = random.Random(seed)
    stages = (image_size // MIN_SIDE).bit_length() - 1
    filters = [min(256, 32 * 2**stage) for stage in range(stages)]
    return _generator(latent_dim, filters[::-1], channels, rng), _discriminator(image_size, filters, channels, rng)


def _generator(latent_dim: int, filters: list[int], channels: int, rng: random.Random) -> keras.Model:
    """Build the generator; the comments give the shapes for RGB images of 64×64."""
    model = Sequential([keras.Input((latent_dim,), name="latents")], name="generator")
    model.add(layers.Dense(MIN_SIDE * MIN_SIDE * filters[0], kernel_initializer=_glorot(rng)))  # (B, 4096)
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.Activation("relu"))
    model.add(layers.Reshape((MIN_SIDE, MIN_SIDE, filters[0])))  # (B, 4, 4, 256)
    for width in filters[1:]:  # 128, 64, 32
        model.add(layers.UpSampling2D())
        model.add(layers.Conv2D(width, 5, padding="same", kernel_initializer=_glorot(rng)))  # … (B, 32, 32, 32)
        model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation("relu"))
    model.add(layers.UpSampling2D())  # (B, 64, 64, 32)
    model.add(layers.Conv2D(channels, 5, padding="same", kernel_initializer=_glorot(rng)))  # (B, 64, 64, 3)
    model.add(layers.Activation("tanh"))
    return model


def _discriminator(image_size: int, filters: list[int], channels: int, rng: random.Random) -> keras.Model:
    """Build the discriminator; the comments give the shapes for RGB images of 64×64."""
    model = Sequential([keras.Input((image_size, image_size, channels), name="images")], name="discriminator")
    for width in filters:  # 32, 64, 128, 256
        convolution = layers.Conv2D(width, 5, strides=2, padding="same", kernel_initializer=_glorot(rng))
        model.add(convolution)  # (B, 32, 32, 32) … (B, 4, 4, 256)
        model.add(layers.LeakyReLU(negative_slope=0.2))
        # A seeded Dropout keeps its random state among its variables, which a checkpoint holds. An unseeded one draws
        # from PyTorch's global generator under that engine, so a resumed run would differ.
        model.add(layers.Dropout(0.3, seed=rng.randrange(2**31)))
    model.add(layers.Flatten())  # (B, 4096)
    model.add(layers.Dense(1, kernel_initializer=_glorot(rng), name="logit"))  # (B, 1)
    return model


def _glorot(rng: random.Random) -> Any:
    """Return Keras' default initialiser, with a seed of its own."""
    return keras.initializers.GlorotUniform(seed=next_seed(rng))
