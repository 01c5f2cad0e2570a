"""Pictures → features: what a network that was trained to name things sees in them."""

from collections.abc import Callable
from functools import cache, partial

import keras
import numpy as np
from PIL import Image

from pippin.engines.inference import Inference, Parameters, in_batches, model_inference, parameters_of
from pippin.errors import NetworkError
from pippin.networks import efficientnet
from pippin.networks.random_state import preserved_random_state
from pippin.pictures import to_rgb

BATCH = 8
"""Pictures at a time: with more, a look at the pictures would need more memory than training does."""


def _inception() -> keras.Model:
    try:
        with preserved_random_state():
            return keras.applications.InceptionV3(include_top=False, weights="imagenet", pooling="avg")
    except Exception as problem:  # Keras raises whatever its download met
        raise NetworkError(
            f"The weights of inception cannot be downloaded; without a network use efficientnet-lite1. ({problem})"
        ) from None


NETWORKS: dict[str, tuple[int, Callable[[], keras.Model]]] = {
    **{name: (size.side, partial(efficientnet.build_pooled, name)) for name, size in efficientnet.VARIANTS.items()},
    "inception": (299, _inception),
}
"""Name → the side of the pictures that it looks at, and what builds it. `inception` is the network of the papers, but
with Keras' weights instead of theirs, so its scores are near to published ones and not the same."""


def extract(images: np.ndarray, network: str = "efficientnet-lite0") -> np.ndarray:
    """Return what a network sees in pictures.

    Args:
        images: uint8 (N, S, S, C): grey ones are repeated, transparent ones laid over mid-grey. They are resized with
            Pillow's bicubic filter, as Parmar et al. 2022 (arXiv 2104.11222) find that scores need.
        network: a name in `NETWORKS`.

    Returns:
        float64 (N, D): D is 1280 for the two of EfficientNet and 2048 for inception.

    Raises:
        NetworkError: an unknown network, or one whose weights are not there.
    """
    if network not in NETWORKS:
        raise NetworkError(f"features must be one of {', '.join(NETWORKS)}. Received: features={network}")
    side, (inference, parameters) = NETWORKS[network][0], _load(network)

    def features(batch: np.ndarray) -> np.ndarray:
        return inference.batch(parameters, np.stack([resized(image, side) for image in batch])).astype("float64")

    return in_batches(features, (images,), BATCH)


@cache
def _load(network: str) -> tuple[Inference, Parameters]:
    model = NETWORKS[network][1]()
    return model_inference(model, BATCH), parameters_of(model)


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """Resize one picture, uint8 (S, S, C), as a network takes it: float32 (side, side, 3) in [−1, 1]."""
    picture = Image.fromarray(to_rgb(image)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(picture, "float32") / 127.5 - 1
