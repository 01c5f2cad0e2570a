"""The generator as a LiteRT (TensorFlow Lite) file, for phones and small boards."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from pippin.engines.stderr import suppressed_stderr
from pippin.errors import ExportError
from pippin.export.trained import Trained, check_agreement, need, writing


def write(trained: Trained, path: Path) -> None:
    """Convert with TensorFlow's own converter, for one picture at a time, and try the result.

    One picture, because the converter turns an unknown batch into operations that phones do not have (it then asks for
    TensorFlow's own, "Flex").

    Args:
        trained: see `Trained`.
        path: the file, ending in .tflite. It takes latents (1, latent_dim) and gives an image (1, S, S, C).

    Raises:
        ExportError: a generator that knows labels, another engine than TensorFlow, or a layer that the format does not
            have.
    """
    if trained.labels:
        raise ExportError("LiteRT files know no labels yet; export to onnx, keras or web. Received: a run with labels")
    engine = keras.backend.backend()
    if engine != "tensorflow":
        raise ExportError(f"tflite is converted by TensorFlow; set KERAS_BACKEND=tensorflow. Received: {engine}")
    data = _converted(trained)
    check_agreement(_painted(data, trained.probe[0]), trained, "The LiteRT file")
    with writing(path) as part:
        part.write_bytes(data)


def _converted(trained: Trained) -> bytes:
    """Convert by way of a SavedModel: of a bare function the converter leaves the weights out."""
    import tensorflow as tf

    one = keras.InputSpec(shape=(1, trained.latent_dim), dtype="float32")
    with tempfile.TemporaryDirectory() as folder, suppressed_stderr(replay=False):
        try:
            trained.generator.export(folder, format="tf_saved_model", input_signature=[one], verbose=False)
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
        except Exception as problem:  # the converter raises several kinds
            reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
            raise ExportError(f"TensorFlow cannot convert this generator: {reason}") from None


def _painted(data: bytes, latents: np.ndarray) -> np.ndarray:
    """Paint with what was written, one picture after the other."""
    litert = need("ai_edge_litert.interpreter", "ai-edge-litert", "Trying a LiteRT file")
    with suppressed_stderr(replay=False):
        interpreter = litert.Interpreter(model_content=data)
        interpreter.allocate_tensors()
        (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
        images = []
        for one in latents:
            interpreter.set_tensor(given["index"], one[None])
            interpreter.invoke()
            images.append(interpreter.get_tensor(wanted["index"])[0])
    return np.stack(images)
