"""Images → features: the pooled output of a network that was trained to classify ImageNet."""

from collections.abc import Callable
from functools import cache, partial

import keras
import numpy as np
from PIL import Image

from pippin.engines.inference import Inference, Parameters, in_batches, model_inference, parameters_of
from pippin.errors import NetworkError
from pippin.host.keras_config import default_keras_config
from pippin.networks import efficientnet
from pippin.pictures import to_rgb
from pippin.settings import SCORING_NETWORK

BATCH_SIZE = 8
"""Images in one batch. A larger one would need more memory than a training step, and is hardly faster on a CPU."""


@default_keras_config()
def _build_inception() -> keras.Model:
    """Return Keras' InceptionV3 with pooled features as its output."""
    try:
        return keras.applications.InceptionV3(include_top=False, weights="imagenet", pooling="avg")
    except Exception as problem:  # Keras passes on whatever the download raised
        raise NetworkError(
            f"The weights of inception cannot be downloaded; without a network use {SCORING_NETWORK}. ({problem})"
        ) from None


NETWORKS: dict[str, tuple[int, Callable[[], keras.Model]]] = {
    **{name: (size.side, partial(efficientnet.build_pooled, name)) for name, size in efficientnet.VARIANTS.items()},
    "inception": (299, _build_inception),
}
"""Name of a feature network → the side of its input in pixels, and the function that builds it. `inception` has the
architecture that the papers use, but Keras' weights, so its scores are close to published ones and not equal."""


def extract(images: np.ndarray, network: str = SCORING_NETWORK) -> np.ndarray:
    """Compute the features of images.

    Images are resized to the network's input with Pillow's bicubic filter, because other filters change the scores
    (Parmar et al. 2022, arXiv 2104.11222).

    Args:
        images: uint8 (N, S, S, C), N at least 1. Grey images are repeated to three channels, transparent images are
            composited over mid-grey.
        network: a key of `NETWORKS`.

    Returns:
        float64 (N, D). D is 1280 for both EfficientNets and 2048 for inception.

    Raises:
        NetworkError: the network is unknown, or its weights are missing.
    """
    if network not in NETWORKS:
        raise NetworkError(f"features must be one of {', '.join(NETWORKS)}. Received: features={network}")
    side, (inference, parameters) = NETWORKS[network][0], _load(network)

    def features(batch: np.ndarray) -> np.ndarray:
        return inference.batch(parameters, np.stack([resize(image, side) for image in batch])).astype("float64")

    return in_batches(features, (images,), BATCH_SIZE)


@cache
def _load(network: str) -> tuple[Inference, Parameters]:
    """Return a feature network's compiled forward pass and its weights. It is built and compiled once per process."""
    model = NETWORKS[network][1]()
    return model_inference(model, BATCH_SIZE), parameters_of(model)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """Return an image, uint8 (S, S, C), as a feature network takes it: float32 (side, side, 3) in [−1, 1]."""
    resized = Image.fromarray(to_rgb(image)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized, "float32") / 127.5 - 1
