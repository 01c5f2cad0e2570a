"""Options of XLA's compiler for GPUs."""

import functools
from typing import Any

import jax

AUTOTUNE_LEVEL = 1
"""How XLA chooses among cuDNN's and cuBLAS' algorithms on a GPU. 0 takes the first one, 1 times them all, and the
default, 4, also initialises their buffers and compares all results with those of a reference algorithm, which protects
against faulty drivers. 1 keeps the choice of fast algorithms, and leaves out the comparison."""

COMMAND_BUFFERS = "FUSION,CUBLAS,CUBLASLT,CUDNN,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONVOLUTION"
"""Which operations XLA gathers in CUDA graphs, which start many kernels with one call: its default ones, and
convolutions. Without convolutions, each of them ends a graph. Loops stay outside: a graph with the loop of the steps
inside took many times as long on an H200."""


def compiler_options() -> dict[str, Any] | None:
    """Return the options for `jax.jit` on the present device; None for anything but a GPU."""
    if jax.default_backend() != "gpu":
        return None
    options: dict[str, Any] = {"xla_gpu_autotune_level": AUTOTUNE_LEVEL}
    with_graphs = {**options, "xla_gpu_enable_command_buffer": COMMAND_BUFFERS}
    return with_graphs if _accepted(tuple(with_graphs.items())) else options


@functools.cache
def _accepted(options: tuple[tuple[str, Any], ...]) -> bool:
    """Return whether this version of XLA knows all options and their values."""
    try:
        jax.jit(lambda x: x + 1, compiler_options=dict(options)).lower(0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
