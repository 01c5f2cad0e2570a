"""How many channels pictures have: 1 (grey), 3 (RGB) or 4 (RGBA), and what that means inside and outside of networks.

Outside, four channels are what every tool means by RGBA: colours as they are, and how much they cover. A network that
had to paint those would also have to paint colours where nothing is seen, and would be judged by them. So inside, the
colours are laid over mid-grey, which is 0 there, and hidden ones are gone: with x in [−1, 1] and a cover a in [0, 1]
the channels are a·x and 2a − 1 (premultiplied, about mid-grey). Three of them are a picture by themselves.
"""

import numpy as np

GREY, RGB, RGBA = 1, 3, 4

GROUND = 128
"""Of 255: what transparent pictures are laid over where a network looks that knows no transparency."""


def to_float(images: np.ndarray) -> np.ndarray:
    """Turns pictures as people see them into pictures as networks see them.

    Args:
        images: uint8, any shape, 0 to 255. Four channels, the last of at least three axes, are RGBA.

    Returns:
        float32 of the same shape, −1 (black) to 1 (white); of RGBA the colours are laid over 0.
    """
    floats = np.asarray(images, np.float32) / np.float32(127.5) - np.float32(1)
    if _is_rgba(floats):
        floats[..., :RGB] *= (floats[..., RGB:] + 1) / 2
    return floats


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Turns pictures as networks see them into pictures as people see them.

    Args:
        images: float, any shape. Values outside [−1, 1] are clipped.

    Returns:
        uint8 of the same shape, 0 to 255, rounded to the nearest; of RGBA what is not seen is 0.
    """
    levels = np.asarray(images, np.float32)
    if _is_rgba(levels):
        levels = _uncovered(levels)
    return np.rint(np.clip((levels + 1) * 127.5, 0, 255)).astype(np.uint8)


def _uncovered(images: np.ndarray) -> np.ndarray:
    """Returns the colours of RGBA as they are before they are laid over mid-grey."""
    cover = np.clip((images[..., RGB:] + 1) / 2, 0, 1)
    seen = cover >= 0.5 / 255  # the least that is not rounded to nothing
    colours = np.where(seen, images[..., :RGB] / np.where(seen, cover, 1), -1)
    return np.concatenate([colours, images[..., RGB:]], axis=-1)


def to_rgb(images: np.ndarray, ground: np.ndarray | int = GROUND) -> np.ndarray:
    """Turns pictures of any channels into RGB, for whoever knows nothing else.

    Args:
        images: uint8 of shape `(..., 1 | 3 | 4)`.
        ground: 0 to 255, what transparent ones are laid over; anything that fits the pictures' shape.

    Returns:
        uint8 of shape `(..., 3)`; RGB is returned as it is.
    """
    if images.shape[-1] == GREY:
        return np.repeat(images, RGB, axis=-1)
    if images.shape[-1] == RGBA:
        cover = images[..., RGB:].astype(np.float32) / 255
        laid = images[..., :RGB] * cover + np.asarray(ground, np.float32) * (1 - cover)
        return np.rint(laid).astype(np.uint8)
    return images


def _is_rgba(images: np.ndarray) -> bool:
    return images.ndim >= 3 and images.shape[-1] == RGBA
