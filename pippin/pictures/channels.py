"""Channels of images: 1 (grey), 3 (RGB) or 4 (RGBA), in files and in networks.

Files hold straight RGBA: the colour of each pixel, and its opacity. A network that generated straight RGBA would also
have to generate the colours of invisible pixels, and the discriminator would use them. So networks work with colours
that are composited over mid-grey: with a colour x in [−1, 1] and an opacity a in [0, 1], the channels are a·x and
2a − 1 (premultiplied, relative to mid-grey). Mid-grey is 0, invisible colours vanish, and the first three channels are
an RGB image by themselves.
"""

import numpy as np

GREY, RGB, RGBA = 1, 3, 4

GROUND = 128
"""Of 255. Transparent images are composited over this grey for networks that take RGB only."""


def to_float(images: np.ndarray) -> np.ndarray:
    """Convert images from 8-bit levels to the range of the networks.

    Args:
        images: uint8 of any shape, 0 to 255. If there are at least three axes and the last has four channels, they are
            RGBA.

    Returns:
        float32 of the same shape, −1 (black) to 1 (white). The colours of RGBA are composited over 0.
    """
    floats = np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1)
    if _is_rgba(floats):
        floats[..., :RGB] *= (floats[..., RGB:] + 1) / 2
    return floats


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Convert images from the range of the networks to 8-bit levels.

    Args:
        images: float of any shape. Values outside [−1, 1] are clipped.

    Returns:
        uint8 of the same shape, 0 to 255, rounded to the nearest. The invisible pixels of RGBA are 0.
    """
    levels = np.asarray(images, np.float32)
    if _is_rgba(levels):
        levels = _straight(levels)
    return np.rint(np.clip((levels + 1) * 127.5, 0, 255)).astype(np.uint8)


def _straight(images: np.ndarray) -> np.ndarray:
    """Return RGBA with straight colours, which are not composited over mid-grey."""
    opacity = np.clip((images[..., RGB:] + 1) / 2, 0, 1)
    visible = opacity >= 0.5 / 255  # the least opacity that is not rounded to 0
    colours = np.where(visible, images[..., :RGB] / np.where(visible, opacity, 1), -1)
    return np.concatenate([colours, images[..., RGB:]], axis=-1)


def to_rgb(images: np.ndarray, ground: np.ndarray | int = GROUND) -> np.ndarray:
    """Convert images of any channels to RGB.

    Args:
        images: uint8 `(..., 1 | 3 | 4)`.
        ground: 0 to 255, the grey or colour that transparent images are composited over; any shape that broadcasts
            with the images.

    Returns:
        uint8 `(..., 3)`. RGB is returned as it is.
    """
    if images.shape[-1] == GREY:
        return np.repeat(images, RGB, axis=-1)
    if images.shape[-1] == RGBA:
        opacity = images[..., RGB:].astype(np.float32) / 255
        composited = images[..., :RGB] * opacity + np.asarray(ground, np.float32) * (1 - opacity)
        return np.rint(composited).astype(np.uint8)
    return images


def _is_rgba(images: np.ndarray) -> bool:
    """Return whether the last of at least three axes has four channels."""
    return images.ndim >= 3 and images.shape[-1] == RGBA
