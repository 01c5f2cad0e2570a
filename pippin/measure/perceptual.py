"""How far apart two pictures look: LPIPS, but without the weights that it learnt from people's judgements."""

from functools import cache

import numpy as np

from pippin.engines.inference import Inference, Parameters, in_batches, model_inference, parameters_of
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
    wanted = in_batches(_unit_maps, (reference[None],), BATCH)

    def distances(batch: np.ndarray) -> np.ndarray:
        pairs = zip(_unit_maps(batch), wanted, strict=True)
        return np.mean([((a - b) ** 2).sum(axis=-1).mean(axis=(1, 2)) for a, b in pairs], axis=0)

    return in_batches(distances, (images,), BATCH)


def _unit_maps(batch: np.ndarray) -> list[np.ndarray]:
    """Return each stage's map of `BATCH` images; the vector of channels at each place has length 1."""
    inference, parameters = _load()
    maps = inference.batch(parameters, np.stack([resized(image, SIDE) for image in batch]))
    maps = [x.astype("float64") for x in maps]
    return [x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in maps]


@cache
def _load() -> tuple[Inference, Parameters]:
    model = efficientnet.build(SIDE, STAGES, NETWORK)
    return model_inference(model, BATCH), parameters_of(model)
