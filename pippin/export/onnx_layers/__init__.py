"""Keras layers as ONNX operations, one module for each kind of layer, for the layers that generators consist of."""

from pippin.export.onnx_layers.dispatch import HANDLERS, OPERATIONS, add_layer, handler_of
from pippin.export.onnx_layers.graph import OnnxGraph, OnnxTensor

__all__ = ["HANDLERS", "OPERATIONS", "OnnxGraph", "OnnxTensor", "add_layer", "handler_of"]
