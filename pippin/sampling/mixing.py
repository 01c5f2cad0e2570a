"""Pictures with the arrangement of one latent and the looks of another.

In the standard generator a latent enters at one place only, so its later stages cannot be given another one, as
StyleGAN's can. But what distinguishes looks from arrangement can be exchanged from the outside: where a map grows, its
channels get the means and deviations over the picture that the other latent's map has there (adaptive instance
normalisation, Huang and Belongie 2017, arXiv 1703.06868), from a chosen side on. The places stay.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from pippin.engines.inference import Progress, image_batch_size, in_batches, no_progress
from pippin.errors import NetworkError, SettingsError
from pippin.networks import graph
from pippin.pictures import to_uint8

COARSEST = 1 / 8
"""Of a picture's side: the least side of maps at which looks are exchanged, if nothing is said. Exchanged earlier they
change the arrangement too; later only colours."""

EPSILON = 1e-5

MOST = 1024
"""Pictures of a grid."""


def sides(generator: keras.Model) -> list[int]:
    """Return the sides of the maps that a generator enlarges, sorted: the places where looks can be exchanged."""
    found: set[int] = set()

    def see(layer: Any, shapes: list[tuple], outputs: list[Any]) -> list[tuple]:
        if _grows(shapes[0], outputs[0].shape):
            found.add(int(shapes[0][1]))
        return [tuple(output.shape) for output in outputs]

    graph.propagate(generator, [tuple(generator.input_shape)], see)
    return sorted(found)


def mix(
    generator: keras.Model,
    coarse: np.ndarray,
    fine: np.ndarray,
    side: int | None = None,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Paint each pair of a latent for the arrangement and one for the looks.

    Args:
        generator: latents (B, latent_dim) → images (B, S, S, 3) in [−1, 1]; Sequential or functional.
        coarse: float32 (C, latent_dim).
        fine: float32 (F, latent_dim).
        side: of the maps from which on looks are exchanged, one of `sides(generator)`; None: see `COARSEST`.
        progress: told how many pictures are painted, of how many.

    Returns:
        uint8 (C, F, S, S, 3), RGB.

    Raises:
        NetworkError: the generator enlarges no map, or is neither Sequential nor functional.
        SettingsError: it enlarges none of that side, or the pairs are too many.
    """
    if len(coarse) * len(fine) > MOST:
        raise SettingsError(f"Mix at most {MOST:,} pictures. Received: {len(coarse)} × {len(fine)}")
    side = choose_side(generator, side)
    rows, columns = np.repeat(coarse, len(fine), axis=0), np.tile(fine, (len(coarse), 1))

    def generate(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
        latents = ops.convert_to_tensor(np.concatenate([coarse, fine]))
        (images,) = graph.propagate(generator, [latents], _exchanging(side))
        return to_uint8(ops.convert_to_numpy(images))[: len(coarse)]

    images = in_batches(generate, (rows, columns), image_batch_size(generator.output_shape[1]), progress)
    return images.reshape(len(coarse), len(fine), *generator.output_shape[1:])


def choose_side(generator: keras.Model, side: int | None) -> int:
    """Return the side from which on looks are exchanged. Args, errors: see `mix`."""
    known = sides(generator)
    if not known:
        raise NetworkError(
            "This generator enlarges no map, so there is no place between arrangement and looks. "
            f"Received: {generator.name}"
        )
    if side is None:
        return next((one for one in known if one >= COARSEST * generator.output_shape[1]), known[-1])
    if side not in known:
        raise SettingsError(f"It enlarges maps of the sides {', '.join(map(str, known))}. Received: side={side}")
    return side


def _grows(before: tuple, after: tuple) -> bool:
    return len(before) == len(after) == 4 and after[1] > before[1]


def _exchanging(side: int) -> Callable[[Any, list[Any], list[Any]], list[Any]]:
    """Return what leads a batch through a layer: first the latents for arrangement, then as many for looks."""

    def apply(layer: Any, values: list[Any], outputs: list[Any]) -> list[Any]:
        if _grows(values[0].shape, outputs[0].shape) and values[0].shape[1] >= side:
            values = [_exchanged(value) for value in values]
        made = layer(values if len(values) > 1 else values[0])
        return list(made) if isinstance(made, (list, tuple)) else [made]

    return apply


def _exchanged(maps: Any) -> Any:
    """Give the first half of a batch the channels' means and deviations of the second half."""
    half = maps.shape[0] // 2
    (own_mean, own_spread), (mean, spread) = (_statistics(x) for x in (maps[:half], maps[half:]))
    return ops.concatenate([(maps[:half] - own_mean) / own_spread * spread + mean, maps[half:]])


def _statistics(maps: Any) -> tuple[Any, Any]:
    mean = ops.mean(maps, axis=(1, 2), keepdims=True)
    return mean, ops.sqrt(ops.mean(ops.square(maps - mean), axis=(1, 2), keepdims=True) + EPSILON)
