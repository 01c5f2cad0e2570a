"""The projector: frozen features of a pretrained network, mixed at random (Projected GANs, arXiv 2111.01007).

A discriminator of pixels has to learn what a round object is before it can miss one; a thousand images and a few
minutes are not enough. With pretrained features it discriminates shapes from the first step. The projector returns one
map for each of four scales. Random 1×1 convolutions mix the channels of each map, and each map is added to the next
finer one, so that the discriminator does not rely on the few channels that give generated images away most easily. The
image itself is a fifth map, for colours and fine patterns, which the features blur. It is also the only map that holds
transparency: the features take RGB.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

from pippin.host.keras_config import default_keras_config
from pippin.networks import efficientnet
from pippin.networks.layers import space_to_depth

STAGES = (1, 2, 4, 6)
"""The feature network's last stages at 1/4, 1/8, 1/16 and 1/32 of its input's resolution."""

CHANNELS = 48
"""Channels of each mixed map, a compromise between the time of a step and what the mixing keeps."""

PIXELS_SCALE = 6.0
"""Scale of the image's own map, relative to the features, whose standard deviation is about 1. With 2, generated images
show a fine mesh; with 15, shapes are learnt late."""

FEATURES_SIZE = 128
"""Side in pixels of the feature network's input. Smaller images are upsampled, because little would be left of them at
1/32; larger ones are downsampled, because at 256×256 the features alone would take more time and memory than the rest
of a step. Finer patterns are in the image's own map."""


def sizes(image_size: int) -> tuple[int, int]:
    """Return the sides in pixels of the feature network's input and of the image's own map."""
    features = min(4 * image_size, FEATURES_SIZE)
    return features, max(features, image_size) // 4


@default_keras_config()
def build(image_size: int, channels: int = 3) -> keras.Model:
    """Build the projector, always with the same weights.

    Args:
        image_size: Side of the images in pixels, a power of two from 16 to 512.
        channels: Channels of the images. Grey is repeated for the feature network's three channels. Of RGBA it takes
            the colours, which are composited over a grey before (see `pippin.training.augment`).

    Returns:
        Keras model, not trainable: images (B, S, S, channels) in [−1, 1] → five maps (B, side, side, C): the image with
        its pixels moved into channels, and four mixed maps with `CHANNELS` channels, from fine to coarse.

    Raises:
        NetworkError: The features' weights are missing.
    """
    rng = np.random.default_rng(0)
    images = keras.Input((image_size, image_size, channels), name="images")
    size, image_map_side = sizes(image_size)
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
    while pixels.shape[1] > image_map_side:
        pixels = space_to_depth(pixels)
    pixels = layers.Rescaling(PIXELS_SCALE)(pixels)
    model = keras.Model(images, [pixels, *maps], name="projector")
    model.trainable = False
    return model


def _mix(x: Any, rng: np.random.Generator) -> Any:
    """Apply a 1×1 convolution with weights N(0, 1 / fan_in), drawn by NumPy so that every engine has the same."""
    return _fixed(x, rng.standard_normal((x.shape[-1], CHANNELS)) / x.shape[-1] ** 0.5)


def _fixed(x: Any, weights: np.ndarray) -> Any:
    """Apply a 1×1 convolution with given weights (channels, new channels)."""
    layer = layers.Conv2D(weights.shape[1], 1, use_bias=False, kernel_initializer="zeros")
    output = layer(x)
    layer.set_weights([weights[None, None].astype("float32")])
    return output
