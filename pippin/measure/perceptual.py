"""How far apart two pictures look: LPIPS, but without the weights that it learnt from people's judgements."""

from functools import cache
from typing import Any

import numpy as np

from pippin.measure.features import BATCH, resized
from pippin.networks import efficientnet

NETWORK = "efficientnet-lite1"
"""What looks at them: not the network that discriminators look through, and that a search may have looked through."""

STAGES = (1, 2, 4, 6)
"""The last stages of 1/4, 1/8, 1/16 and 1/32 of the resolution: from texture to things."""

SIDE = 128
"""At which pictures are looked at, in pixels."""


def perceptual_distances(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how far pictures look from one picture.

    At each place of each stage's map the channels are scaled to length 1; the squared differences are summed over
    channels, and averaged over places and stages (Zhang et al. 2018, arXiv 1801.03924, equation 1 with all weights
    1). Figures of the paper's LPIPS come from other networks and cannot be compared with these.

    Args:
        images: uint8 (N, S, S, 3).
        reference: uint8 (S, S, 3).

    Returns:
        float64 (N,), from 0 (the same picture) to 4.

    Raises:
        NetworkError: the network's weights are not there.
    """
    found = []
    wanted = _directions(reference[None])
    for start in range(0, len(images), BATCH):
        maps = _directions(images[start : start + BATCH])
        apart = [((a - b) ** 2).sum(axis=-1).mean(axis=(1, 2)) for a, b in zip(maps, wanted, strict=True)]
        found.append(np.mean(apart, axis=0))
    return np.concatenate(found)


def _directions(images: np.ndarray) -> list[np.ndarray]:
    """Each stage's map of at most `BATCH` pictures, the channels at each place of length 1."""
    filled = np.resize(images, (BATCH, *images.shape[1:]))  # one shape only: compiled once
    maps = _load().predict_on_batch(np.stack([resized(image, SIDE) for image in filled]))
    maps = [np.asarray(x[: len(images)], "float64") for x in maps]
    return [x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in maps]


@cache
def _load() -> Any:
    return efficientnet.build(SIDE, STAGES, NETWORK)
