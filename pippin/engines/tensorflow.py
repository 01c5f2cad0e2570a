"""TensorFlow: gradient tapes, and `tf.function` as the compiler."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

name = "tensorflow"

# The remapper stumbles over the derivative of a leaky ReLU that follows a sum and complains on standard error, past
# every log level. It merges layers for inference; in the training step it finds nothing to merge.
tf.config.optimizer.set_experimental_options({"remapping": False})


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """See `pippin.engines.Engine.vjp`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(primals)
        output, aux = function(*primals)

    def pullback(cotangents: Any) -> Any:
        return tape.gradient(output, primals, cotangents, unconnected_gradients="zero")

    return output, pullback, aux


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """See `pippin.engines.Engine.jit`. Autograph is off: the step has no Python control flow to rewrite."""
    return tf.function(function, autograph=False)


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return tf.nest.map_structure(tf.convert_to_tensor, tree)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return tf.nest.map_structure(np.asarray, tree)


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    tf.constant(0)  # wakes the runtime, which may then have something to say
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else "CPU"
