"""Style mixing: images with the layout of one latent and the style of another.

In the standard generator a latent enters in one place only, so its later stages cannot get another latent as in
StyleGAN. Instead the feature maps are changed: before upsampling, from a chosen resolution on, each channel gets the
mean and the standard deviation of the other latent's feature map (adaptive instance normalisation, Huang and Belongie
2017, arXiv 1703.06868). Its spatial structure stays.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin.engines.inference import Progress, image_batch_size, in_batches, no_progress
from pippin.errors import NetworkError, SettingsError
from pippin.host.keras_config import default_keras_config
from pippin.networks import graph
from pippin.pictures import to_uint8
from pippin.settings import check_integer

DEFAULT_FRACTION = 1 / 8
"""Default resolution from which on the style is exchanged, as a fraction of the image size. At lower resolutions the
exchange changes the layout too; at higher ones only colours."""

EPSILON = 1e-5
"""Added to the variance of a channel, so that a constant channel is not divided by 0."""

MOST = 1024
"""Largest number of mixed images in one call. Their grid is about 2,000 pixels wide at 64×64."""


def upsampled_sides(generator: keras.Model) -> list[int]:
    """Return the sides of the feature maps that a generator upsamples, sorted: where the style can be exchanged."""
    sides: set[int] = set()

    def record(layer: Any, shapes: list[tuple], outputs: list[Any]) -> list[tuple]:
        if _upsamples(shapes[0], outputs[0].shape):
            sides.add(int(shapes[0][1]))
        return [tuple(output.shape) for output in outputs]

    graph.propagate(generator, [tuple(generator.input_shape)], record)
    return sorted(sides)


@default_keras_config()
def mix(
    generator: keras.Model,
    coarse: np.ndarray,
    fine: np.ndarray,
    side: int | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Generate an image for each pair of a layout latent and a style latent.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, 3) in [−1, 1]; Sequential or functional.
        coarse: latents of the layouts, float32 (C, latent_dim).
        fine: latents of the styles, float32 (F, latent_dim).
        side: side of the feature maps from which on the style is exchanged, one of `upsampled_sides(generator)`. The
            default is the first from `DEFAULT_FRACTION` of the image size on.
        progress: Called as `progress(done, total)` with the number of images.

    Returns:
        uint8 (C, F, S, S, 3), RGB.

    Raises:
        NetworkError: the generator upsamples no feature map, or is neither Sequential nor functional.
        SettingsError: the generator upsamples no feature map of that side, or there are too many pairs.
    """
    if len(coarse) * len(fine) > MOST:
        raise SettingsError(f"Mix at most {MOST:,} images. Received: {len(coarse)} × {len(fine)}")
    side = choose_side(generator, side)
    rows, columns = np.repeat(coarse, len(fine), axis=0), np.tile(fine, (len(coarse), 1))

    def generate(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
        latents = ops.convert_to_tensor(np.concatenate([coarse, fine]))
        (images,) = graph.propagate(generator, [latents], _exchange_style(side))
        return to_uint8(ops.convert_to_numpy(images))[: len(coarse)]

    images = in_batches(generate, (rows, columns), image_batch_size(generator.output_shape[1]), progress)
    return images.reshape(len(coarse), len(fine), *generator.output_shape[1:])


def choose_side(generator: keras.Model, side: int | None) -> int:
    """Return the side from which on the style is exchanged; for the arguments and errors see `mix`."""
    sides = upsampled_sides(generator)
    if not sides:
        raise NetworkError(
            "This generator has no upsampling layer, so layout and style cannot be separated. "
            f"Received: {generator.name}"
        )
    if side is None:
        return next((one for one in sides if one >= DEFAULT_FRACTION * generator.output_shape[1]), sides[-1])
    if check_integer("side", side) not in sides:
        raise SettingsError(f"side must be one of {', '.join(map(str, sides))}. Received: side={side}")
    return int(side)


def _upsamples(input_shape: tuple, output_shape: tuple) -> bool:
    """Return whether a layer with these shapes upsamples a feature map; padding does not."""
    return len(input_shape) == len(output_shape) == 4 and output_shape[1] >= 2 * input_shape[1]


def _exchange_style(side: int) -> Callable[[Any, list[Any], list[Any]], list[Any]]:
    """Return a function that applies a layer to a batch of layout latents, followed by as many style latents."""

    def apply(layer: Any, values: list[Any], outputs: list[Any]) -> list[Any]:
        if _upsamples(values[0].shape, outputs[0].shape) and values[0].shape[1] >= side:
            values = [_adaptive_instance_normalisation(value) for value in values]
        results = layer(values if len(values) > 1 else values[0])
        return list(results) if isinstance(results, (list, tuple)) else [results]

    return apply


def _adaptive_instance_normalisation(maps: Any) -> Any:
    """Return maps (2B, H, W, C) whose first half has the channel means and deviations of the second half."""
    half = maps.shape[0] // 2
    (own_mean, own_deviation), (mean, deviation) = (_channel_statistics(x) for x in (maps[:half], maps[half:]))
    return ops.concatenate([(maps[:half] - own_mean) / own_deviation * deviation + mean, maps[half:]])


def _channel_statistics(maps: Any) -> tuple[Any, Any]:
    """Return the mean and the standard deviation of each channel over the pixels: (B, 1, 1, C) each."""
    mean = ops.mean(maps, axis=(1, 2), keepdims=True)
    return mean, ops.sqrt(ops.mean(ops.square(maps - mean), axis=(1, 2), keepdims=True) + EPSILON)
