"""Resampling without convolution, and edge padding.

A strided or transposed convolution has second derivatives that some engines compute many times slower than the
convolution itself, and a transposed one leaves a checkerboard in the images (Odena et al. 2016,
https://distill.pub/2016/deconv-checkerboard). Moving pixels between space and channels costs no arithmetic, loses
nothing, and its derivative is its inverse. All functions are made of layers and operations that Keras ships, so a saved
network opens without Pippin.
"""

from typing import Any

from keras import layers, ops


def space_to_depth(x: Any, name: str | None = None) -> Any:
    """Move each 2×2 block of pixels into the channels.

    Args:
        x: Keras tensor (B, H, W, C), with even H and W.
        name: Prefix of the layers' names.

    Returns:
        Keras tensor (B, H/2, W/2, 4C); the channels are ordered by row, column, channel of the block.
    """
    _, h, w, c = x.shape
    x = layers.Reshape((h // 2, 2, w // 2, 2, c), name=_name(name, "split"))(x)
    x = layers.Permute((1, 3, 2, 4, 5), name=_name(name, "gather"))(x)
    return layers.Reshape((h // 2, w // 2, 4 * c), name=name)(x)


def depth_to_space(x: Any, name: str | None = None) -> Any:
    """Move the channels into 2×2 blocks of pixels: the inverse of `space_to_depth`.

    Args:
        x: Keras tensor (B, H, W, 4C).
        name: Prefix of the layers' names.

    Returns:
        Keras tensor (B, 2H, 2W, C).
    """
    _, h, w, c = x.shape
    x = layers.Reshape((h, w, 2, 2, c // 4), name=_name(name, "split"))(x)
    x = layers.Permute((1, 3, 2, 4, 5), name=_name(name, "scatter"))(x)
    return layers.Reshape((2 * h, 2 * w, c // 4), name=name)(x)


def edge_padded(x: Any) -> Any:
    """Pad by one pixel that repeats the edge, for a 3×3 convolution with padding "valid".

    Args:
        x: Keras tensor (B, H, W, C).

    Returns:
        Keras tensor (B, H + 2, W + 2, C).
    """
    return ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")


def _name(prefix: str | None, suffix: str) -> str | None:
    return f"{prefix}_{suffix}" if prefix else None
