"""Export as an ONNX file, converted layer by layer, so that it works with every engine.

Keras' own exporter needs TensorFlow or PyTorch, so it does not work for users who have installed JAX only. Generators
consist of few kinds of layers (`pippin.export.onnx_layers`), and the result is compared with Keras before it is kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pippin.errors import ExportError
from pippin.export.onnx_layers import OnnxGraph, OnnxTensor, add_layer
from pippin.export.trained_generator import TrainedGenerator, export_path, require_agreement, require_package
from pippin.networks import graph

OPSET, IR_VERSION = 18, 9
"""Versions of the ONNX operations and file format. ONNX Runtime supports them since 1.14 (2023)."""

INPUTS, OUTPUT = ("latents", "labels"), "images"
"""Names of the model's inputs and output. `labels` exists in conditional generators only."""


def write(trained: TrainedGenerator, path: Path) -> None:
    """Write the generator as ONNX, after a check in ONNX Runtime.

    Args:
        trained: the generator and what is known about it.
        path: the file, ending in .onnx. The model maps `latents` (B, latent_dim) to `images` (B, S, S, C), both
            float32, for any B. A conditional generator also takes one-hot `labels` (B, K). The metadata are those of
            `TrainedGenerator.metadata`.

    Raises:
        ExportError: onnx or onnxruntime is not installed, or a layer cannot be exported.
    """
    data, _ = _convert(trained)
    with export_path(path) as part:
        part.write_bytes(data)


def serialise(trained: TrainedGenerator) -> bytes:
    """Return the content of the file that `write` writes."""
    return _convert(trained)[0]


def onnx_forward(trained: TrainedGenerator) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a function that runs the generator in ONNX Runtime on the CPU.

    Returns:
        Latents, with labels appended for a conditional generator → images in [−1, 1], both float32 NumPy arrays. None
        if onnx or onnxruntime is not installed, or a layer cannot be exported.
    """
    try:
        _, session = _convert(trained)
    except ExportError:
        return None
    return lambda latents: session.run([OUTPUT], trained.named_inputs(latents))[0]


def _convert(trained: TrainedGenerator) -> tuple[bytes, Any]:
    """Return the file's content and the ONNX Runtime session in which it was compared with Keras."""
    onnx = require_package("onnx", "onnx", "Export to ONNX")
    runtime = require_package("onnxruntime", "onnxruntime", "Checking an ONNX file")
    data = bytes(_model(onnx, trained).SerializeToString())
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    latents, _ = trained.check_batch
    (images,) = session.run([OUTPUT], trained.named_inputs(latents))
    require_agreement(images, trained, "The ONNX file")
    return data, session


def _model(onnx: Any, trained: TrainedGenerator) -> Any:
    """Return the generator as an `onnx.ModelProto`."""
    onnx_graph = OnnxGraph()
    model = trained.exported_model
    names = INPUTS[: len(model.inputs)]
    inputs = {name: tuple(tensor.shape[1:]) for name, tensor in zip(names, model.inputs, strict=True)}

    def apply(layer: Any, tensors: list[OnnxTensor], outputs: list[Any]) -> list[OnnxTensor]:
        return [add_layer(onnx_graph, layer, tensors, tuple(outputs[0].shape[1:]))]

    (output,) = graph.propagate(model, [OnnxTensor(name, shape) for name, shape in inputs.items()], apply)
    onnx_graph.nodes.append(("Identity", [onnx_graph.to_channels_last(output).name], OUTPUT, {}))
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    size = trained.image_size
    graph_proto = helper.make_graph(
        [
            helper.make_node(operation, input_names, [output_name], **attributes)
            for operation, input_names, output_name, attributes in onnx_graph.nodes
        ],
        trained.name,
        [helper.make_tensor_value_info(name, float32, ["batch", *shape]) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(OUTPUT, float32, ["batch", size, size, trained.channels])],
        [
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
            for name, array in onnx_graph.constants.items()
        ],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model_proto = helper.make_model(graph_proto, producer_name="pippin", opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model_proto, trained.metadata())
    onnx.checker.check_model(model_proto)
    return model_proto
