"""TensorFlow: gradient tapes, and `tf.function` as the compiler."""

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pippin.engines.compile_time import compile_time
from pippin.engines.execution import Execution
from pippin.host.cores import available_cores
from pippin.host.keras_config import default_keras_config

name = "tensorflow"

# The remapper fails on the derivative of a leaky ReLU that follows a sum, and writes that to standard error at every
# log level. It fuses layers for inference; in the training step it finds nothing to fuse.
tf.config.optimizer.set_experimental_options({"remapping": False})


def _run_two_operations_at_a_time() -> None:
    """Let two operations run at a time, each on half of the cores, unless the user has chosen otherwise.

    A step of a small batch consists of many small operations, most of which are independent of another one: the
    gradients with respect to inputs and weights, real and generated images, the discriminator heads. Two at a time take
    less time than one after the other on all cores.
    """
    cores = available_cores()
    chosen = any(os.environ.get(f"TF_NUM_{kind}OP_THREADS") for kind in ("INTRA", "INTER"))
    if cores == 1 or chosen or tf.config.list_physical_devices("GPU"):
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow is already running and does not accept it any more
        tf.config.threading.set_intra_op_parallelism_threads(cores // 2)
        tf.config.threading.set_inter_op_parallelism_threads(2)


def _allocate_gpu_memory_as_needed() -> None:
    """Let TensorFlow take memory of GPUs when it needs it, not nearly all of it at once."""
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # TensorFlow is already running and does not accept it any more
            tf.config.experimental.set_memory_growth(gpu, True)


_run_two_operations_at_a_time()
_allocate_gpu_memory_as_needed()


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
    compiled = tf.function(functools.partial(default_keras_config()(function)), autograph=False)
    return compile_time.watched(compiled, compiled.experimental_get_tracing_count)


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return tf.nest.map_structure(tf.convert_to_tensor, tree)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return tf.nest.map_structure(np.asarray, tree)


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    tf.constant(0)  # starts the runtime, which may write to standard error
    gpus = tf.config.list_physical_devices("GPU")
    return f"{len(gpus)} GPU" if gpus else "CPU"


def execution() -> Execution:
    """See `pippin.engines.Engine.execution`. Steps are called one by one."""
    return Execution()


def loop(step: Callable[..., Any], select: Callable[..., Any]) -> Any:
    """See `pippin.engines.Engine.loop`."""
    raise NotImplementedError(f"{name} runs training steps one by one")
