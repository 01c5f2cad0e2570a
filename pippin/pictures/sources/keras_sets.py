"""The small image datasets that Keras downloads."""

import importlib

import numpy as np

from pippin.errors import SourceError
from pippin.host.keras_config import default_keras_config
from pippin.pictures.sources.arrays import ArraySource

PREFIX = "keras:"
SETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")


@default_keras_config()
def open_keras_set(source: str) -> ArraySource:
    """Open the training images of `keras:NAME`. Keras downloads them when they are used for the first time.

    Raises:
        SourceError: If there is no such dataset, or it cannot be downloaded.
    """
    name = source.removeprefix(PREFIX)
    if name not in SETS:
        known = ", ".join(PREFIX + one for one in SETS)
        raise SourceError(f"The datasets of Keras are {known}. Received: source={source!r}")
    try:
        (images, labels), _ = importlib.import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:  # Keras raises a bare Exception if the download fails
        raise SourceError(
            f"The dataset cannot be downloaded; connect to the network, or give a folder. Received: source={source!r} "
            f"({' '.join(str(error).split())})"
        ) from None
    return ArraySource(np.asarray(images), name, source, f"{images.dtype}{images.shape}", {"label": np.ravel(labels)})
