"""The projector: frozen features of a network that has already learnt to see, mixed at random (arXiv 2111.01007).

A discriminator that begins with pixels has to discover what a round thing is before it can say that one is missing;
a thousand pictures and some minutes are not enough for that. Given features that know, it judges shapes from the
first batch. Its input is not one map but one a scale, and each is judged by itself. The mixing (across channels, and
from each scale into the next finer one) keeps the discriminator from resting on the few channels that give generated
pictures away most easily. The picture itself is one more map, for colours and fine patterns, which features blur.
It is also the one in which transparency is seen as such: the features know RGB only.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from pippin.networks import efficientnet
from pippin.networks.layers import space_to_depth

STAGES = (1, 2, 4, 6)
"""The features' last stages of 1/4, 1/8, 1/16 and 1/32 of their resolution."""

CHANNELS = 48
"""Of each mixed map."""

PIXELS_SCALE = 6.0
"""Of the picture's own map: how much colours and fine patterns count beside the features, which vary by about 1. With
2 there is a fine mesh over what is painted; with 15 shapes come late."""

FEATURES_SIZE = 128
"""Side at which the features look at pictures. Small ones are enlarged, or nothing is left of them; large ones shrunk,
for at 256×256 the features alone would need more time and memory than all the rest. What is finer than that, the
picture's own map shows."""


def sizes(image_size: int) -> tuple[int, int]:
    """Return the side at which the features look at pictures, and the side of the picture's own map."""
    features = min(4 * image_size, FEATURES_SIZE)
    return features, max(features, image_size) // 4


def build(image_size: int, channels: int = 3) -> keras.Model:
    """Build the projector, always with the same weights.

    Args:
        image_size: side of the pictures in pixels, a power of two from 16 to 256.
        channels: of the pictures. The features see grey in all three of theirs, and of RGBA the colours as they are,
            which inside are laid over a ground.

    Returns:
        Keras model, not trainable: images (B, S, S, channels) in [−1, 1] → the picture's map, its pixels moved into
        channels, and four mixed maps from fine to coarse.

    Raises:
        NetworkError: the features' weights are not there.
    """
    rng = np.random.default_rng(0)
    images = keras.Input((image_size, image_size, channels), name="images")
    size, own = sizes(image_size)
    colours = images if channels == 3 else _fixed(images, np.eye(4, 3) if channels == 4 else np.ones((1, 3)))
    resized = colours
    if size > image_size:
        resized = layers.UpSampling2D(size // image_size, interpolation="bilinear", name="enlarged")(colours)
    elif size < image_size:
        resized = layers.AveragePooling2D(image_size // size, name="shrunk")(colours)
    maps: list[Any] = []
    for x in reversed(efficientnet.build(size, STAGES)(resized)):
        mixed = _mix(x, rng)
        if maps:
            coarser = layers.UpSampling2D(interpolation="bilinear")(maps[0])
            mixed = layers.Rescaling(0.5**0.5)(layers.Add()([mixed, coarser]))
        maps.insert(0, mixed)
    pixels = images
    while pixels.shape[1] > own:
        pixels = space_to_depth(pixels)
    pixels = layers.Rescaling(PIXELS_SCALE)(pixels)
    model = keras.Model(images, [pixels, *maps], name="projector")
    model.trainable = False
    return model


def _mix(x: Any, rng: np.random.Generator) -> Any:
    """A 1×1 convolution with weights N(0, 1 / fan_in), drawn by NumPy so that every engine has the same."""
    return _fixed(x, rng.standard_normal((x.shape[-1], CHANNELS)) / x.shape[-1] ** 0.5)


def _fixed(x: Any, weights: np.ndarray) -> Any:
    """A 1×1 convolution with given weights (channels, new channels)."""
    layer = layers.Conv2D(weights.shape[1], 1, use_bias=False)
    found = layer(x)
    layer.set_weights([weights[None, None].astype("float32")])
    return found
