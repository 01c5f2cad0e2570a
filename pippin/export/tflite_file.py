"""The generator as a LiteRT (TensorFlow Lite) file, for phones and small boards."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from pippin.errors import ExportError
from pippin.export.trained import Trained, check_agreement, need, writing


def write(trained: Trained, path: Path) -> None:
    """Convert with TensorFlow's own converter, for one picture at a time, and try the result.

    One picture, because the converter turns an unknown batch into operations that phones do not have (it then asks for
    TensorFlow's own, "Flex").

    Args:
        trained: see `Trained`.
        path: the file, ending in .tflite. It takes latents (1, latent_dim) and gives an image (1, S, S, 3).

    Raises:
        ExportError: another engine than TensorFlow, or a layer that the format does not have.
    """
    engine = keras.backend.backend()
    if engine != "tensorflow":
        raise ExportError(f"tflite is converted by TensorFlow; set KERAS_BACKEND=tensorflow. Received: {engine}")
    data = _converted(trained)
    check_agreement(_painted(data, trained.probe[0]), trained, "The LiteRT file")
    with writing(path) as part:
        part.write_bytes(data)


def _converted(trained: Trained) -> bytes:
    import tensorflow as tf

    shape = tf.TensorSpec((1, trained.latent_dim), tf.float32, name="latents")
    function = tf.function(lambda latents: trained.generator(latents, training=False)).get_concrete_function(shape)
    with _hushed():
        try:
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function], trained.generator)
            return bytes(converter.convert())
        except Exception as problem:  # the converter raises several kinds
            reason = str(problem).strip().splitlines()
            raise ExportError(f"TensorFlow cannot convert this generator: {reason[0] if reason else problem}") from None


def _painted(data: bytes, latents: np.ndarray) -> np.ndarray:
    """Paint with what was written, one picture after the other."""
    litert = need("ai_edge_litert.interpreter", "ai-edge-litert", "Trying a LiteRT file")
    with _hushed():
        interpreter = litert.Interpreter(model_content=data)
        interpreter.allocate_tensors()
        (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
        images = []
        for one in latents:
            interpreter.set_tensor(given["index"], one[None])
            interpreter.invoke()
            images.append(interpreter.get_tensor(wanted["index"])[0])
    return np.stack(images)


@contextmanager
def _hushed() -> Iterator[None]:
    """Hold back what the converter's C++ says on standard error; its errors come as exceptions too."""
    sys.stderr.flush()
    outside = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(outside, 2)
            os.close(outside)
