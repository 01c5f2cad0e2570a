"""Export as a LiteRT (TensorFlow Lite) file, for phones and single-board computers."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from pippin.engines.stderr import suppressed_stderr
from pippin.errors import ExportError
from pippin.export.trained_generator import TrainedGenerator, export_path, require_agreement, require_package
from pippin.host.keras_config import default_keras_config


def write(trained: TrainedGenerator, path: Path) -> None:
    """Convert the generator with TensorFlow's converter, for one image at a time, and check the result.

    The batch size is 1, because the converter turns an unknown batch size into operations that LiteRT does not have on
    phones (it then requires TensorFlow's own operations, "Flex").

    Args:
        trained: the generator and what is known about it.
        path: the file, ending in .tflite. The model maps latents (1, latent_dim) to an image (1, S, S, C).

    Raises:
        ExportError: the generator is conditional, the engine is not TensorFlow, or the format does not support a layer.
    """
    if trained.labels:
        raise ExportError(
            "LiteRT export does not support labels yet; export to onnx, keras or web. Received: a run with labels"
        )
    engine = keras.backend.backend()
    if engine != "tensorflow":
        raise ExportError(f"LiteRT export needs TensorFlow; set KERAS_BACKEND=tensorflow. Received: {engine}")
    data = _convert(trained)
    require_agreement(_run_litert(data, trained.check_batch[0]), trained, "The LiteRT file")
    with export_path(path) as part:
        part.write_bytes(data)


@default_keras_config()
def _convert(trained: TrainedGenerator) -> bytes:
    """Return the file's content. The conversion starts from a SavedModel; from a function it would omit the weights."""
    import tensorflow as tf

    one = keras.InputSpec(shape=(1, trained.latent_dim), dtype="float32")
    with tempfile.TemporaryDirectory() as folder, suppressed_stderr(replay=False):
        try:
            trained.generator.export(folder, format="tf_saved_model", input_signature=[one], verbose=False)
            return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
        except Exception as problem:  # the converter raises exceptions of several classes
            reason = (str(problem).strip() or type(problem).__name__).splitlines()[0]
            raise ExportError(f"TensorFlow cannot convert this generator: {reason}") from None


def _run_litert(data: bytes, latents: np.ndarray) -> np.ndarray:
    """Return the images that a LiteRT file generates, one at a time."""
    litert = require_package("ai_edge_litert.interpreter", "ai-edge-litert", "Checking a LiteRT file")
    with suppressed_stderr(replay=False):
        interpreter = litert.Interpreter(model_content=data)
        interpreter.allocate_tensors()
        (input_,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
        images = []
        for latent in latents:
            interpreter.set_tensor(input_["index"], latent[None])
            interpreter.invoke()
            images.append(interpreter.get_tensor(output["index"])[0])
    return np.stack(images)
