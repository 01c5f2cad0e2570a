"""Computing a network in bfloat16 although its layers were made for float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
"""Precision → Keras' policy: mixed_bfloat16 computes in bfloat16 and keeps the variables in float32."""


@contextmanager
def computing_in(precision: str, model: keras.Model | None) -> Iterator[None]:
    """Let a model's layers compute in a precision in the block; call or trace the model in it.

    Weights stay float32 and are rounded when they are used, so their gradients are float32. Keras' batch normalisation
    computes in float32 in either case. The model's outputs have the precision.

    Args:
        precision: A key of `POLICIES`. "float32" changes nothing.
        model: Built Keras model; its nested models are included. None changes nothing.
    """
    if precision == "float32" or model is None:
        yield
        return
    layers = list(model._flatten_layers())
    before = [layer.dtype_policy for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = POLICIES[precision]
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
