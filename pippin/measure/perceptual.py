"""The perceptual distance of two images: LPIPS without the weights that were fitted to human judgements."""

from functools import cache

import numpy as np

from pippin.engines.inference import Inference, Parameters, in_batches, model_inference, parameters_of
from pippin.measure.features import BATCH_SIZE, resize
from pippin.networks import efficientnet
from pippin.settings import SCORING_NETWORK

STAGES = (1, 2, 4, 6)
"""The stages of the network whose maps are compared: the last ones at 1/4, 1/8, 1/16 and 1/32 of the resolution, so
that both texture and objects count."""

SIDE = 128
"""Side in pixels to which images are resized. It is that of the projector's features, and costs a third of the
network's own 240."""


def perceptual_distances(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Compute the perceptual distance of each image to a reference image.

    At each position of each stage's map the vector of channels is scaled to length 1. The squared differences are
    summed over channels, and averaged over positions and stages (Zhang et al. 2018, arXiv 1801.03924, equation 1 with
    all weights 1). Distances of the paper's LPIPS come from other networks and are not comparable.

    The network is `SCORING_NETWORK`, which neither the discriminator nor an inversion uses.

    Args:
        images: uint8 (N, S, S, 3), N at least 1.
        reference: uint8 (S, S, 3).

    Returns:
        float64 (N,), from 0 (the same image) to 4.

    Raises:
        NetworkError: the network's weights are missing.
    """
    reference_maps = in_batches(_unit_maps, (reference[None],), BATCH_SIZE)

    def distances(batch: np.ndarray) -> np.ndarray:
        pairs = zip(_unit_maps(batch), reference_maps, strict=True)
        return np.mean([((a - b) ** 2).sum(axis=-1).mean(axis=(1, 2)) for a, b in pairs], axis=0)

    return in_batches(distances, (images,), BATCH_SIZE)


def _unit_maps(batch: np.ndarray) -> list[np.ndarray]:
    """Return each stage's map of `BATCH_SIZE` images, the vector of channels at each position scaled to length 1."""
    inference, parameters = _load()
    maps = inference.batch(parameters, np.stack([resize(image, SIDE) for image in batch]))
    maps = [x.astype("float64") for x in maps]
    return [x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in maps]


@cache
def _load() -> tuple[Inference, Parameters]:
    """Return the compiled forward pass and the weights. They are built and compiled once per process."""
    model = efficientnet.build(SIDE, STAGES, SCORING_NETWORK)
    return model_inference(model, BATCH_SIZE), parameters_of(model)
