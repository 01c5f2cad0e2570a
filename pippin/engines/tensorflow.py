"""TensorFlow: gradient tapes, and `tf.function` as the compiler."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pippin.host.cores import available_cores

name = "tensorflow"

# The remapper stumbles over the derivative of a leaky ReLU that follows a sum and complains on standard error, past
# every log level. It merges layers for inference; in the training step it finds nothing to merge.
tf.config.optimizer.set_experimental_options({"remapping": False})


def _work_side_by_side() -> None:
    """Let two operations run at a time, each on half of the cores, where nobody has chosen otherwise.

    A step of a small batch is made of many small operations, most of which have another one that waits for nothing: the
    gradients by input and by weights, the real and the painted pictures, the heads. So side by side they take less time
    than one after the other, each on all cores.
    """
    cores = available_cores()
    chosen = any(os.environ.get(f"TF_NUM_{kind}OP_THREADS") for kind in ("INTRA", "INTER"))
    if cores == 1 or chosen or tf.config.list_physical_devices("GPU"):
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow has been at work in this process, and can no more be told
        tf.config.threading.set_intra_op_parallelism_threads(cores // 2)
        tf.config.threading.set_inter_op_parallelism_threads(2)


_work_side_by_side()


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """See `pippin.engines.Engine.vjp`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(primals)
        output, aux = function(*primals)

    def pullback(cotangents: Any) -> Any:
        return tape.gradient(output, primals, cotangents, unconnected_gradients="zero")

    return output, pullback, aux


def jit(function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
    """See `pippin.engines.Engine.jit`. TensorFlow manages memory by itself and ignores `donate`.

    Autograph is off: there is no Python control flow to rewrite.
    """
    # TensorFlow warns of retracing by counting the traces of one code object, which closures share; a partial has none.
    return tf.function(functools.partial(function), autograph=False)


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
