"""The generator as an ONNX file, written layer by layer, so that it needs no other engine than the one in use.

Keras' own exporter goes through TensorFlow or PyTorch, and would not do for who has JAX alone. A generator has few
kinds of layers (`onnx_layers.py`), and what was written is tried before it is kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pippin.errors import ExportError
from pippin.export.onnx_layers import Value, Writer, write_layer
from pippin.export.trained import Trained, check_agreement, need, writing
from pippin.networks import graph

OPSET, IR_VERSION = 18, 9
"""What ONNX Runtime has read since 1.14 (2023)."""

INPUTS, OUTPUT = ("latents", "labels"), "images"


def write(trained: Trained, path: Path) -> None:
    """Write the generator as ONNX, and try the result in ONNX Runtime.

    Args:
        trained: see `Trained`.
        path: the file, ending in .onnx. It takes `latents` (B, latent_dim) and gives `images` (B, S, S, C), both
            float32, for every B; a generator that knows labels also takes `labels` (B, K), 1 in the place of each
            picture's kind and 0 elsewhere. Its metadata are `Trained.metadata`.

    Raises:
        ExportError: onnx or onnxruntime is not installed, or the generator has a layer that is not known.
    """
    data = serialised(trained)
    with writing(path) as part:
        part.write_bytes(data)


def serialised(trained: Trained) -> bytes:
    """Return what `write` writes."""
    return _tried(trained)[0]


def painter(trained: Trained) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what paints with ONNX Runtime as the generator does, for the same latents; None where that cannot be.

    It cannot where ONNX or its runtime is not installed, or the generator has a layer that is not known.
    """
    try:
        _, session = _tried(trained)
    except ExportError:
        return None
    return lambda latents: session.run([OUTPUT], trained.feeds(latents))[0]


def _tried(trained: Trained) -> tuple[bytes, Any]:
    """Return the file's content, and the session of ONNX Runtime in which it painted what the generator does."""
    onnx = need("onnx", "onnx", "Export to ONNX")
    runtime = need("onnxruntime", "onnxruntime", "Trying an ONNX file")
    data = bytes(_model(onnx, trained).SerializeToString())
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    latents, _ = trained.probe
    (painted,) = session.run([OUTPUT], trained.feeds(latents))
    check_agreement(painted, trained, "The ONNX file")
    return data, session


def _model(onnx: Any, trained: Trained) -> Any:
    writer = Writer()
    signature = trained.signature
    names = INPUTS[: len(signature.inputs)]
    inputs = {name: tuple(tensor.shape[1:]) for name, tensor in zip(names, signature.inputs, strict=True)}

    def apply(layer: Any, values: list[Value], outputs: list[Any]) -> list[Value]:
        return [write_layer(writer, layer, values, tuple(outputs[0].shape[1:]))]

    (value,) = graph.propagate(signature, [Value(name, shape) for name, shape in inputs.items()], apply)
    writer.nodes.append(("Identity", [writer.last(value).name], OUTPUT, {}))
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    size = trained.image_size
    body = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in writer.nodes],
        trained.name,
        [helper.make_tensor_value_info(name, floats, ["batch", *shape]) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(OUTPUT, floats, ["batch", size, size, trained.channels])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in writer.constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, producer_name="pippin", opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model, trained.metadata())
    onnx.checker.check_model(model)
    return model
