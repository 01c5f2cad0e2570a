"""Options of XLA's compiler for GPUs."""

from typing import Any

import jax

AUTOTUNE_LEVEL = 1
"""How XLA chooses among cuDNN's and cuBLAS' algorithms on a GPU. 0 takes the first one, 1 times them all, and the
default, 4, also initialises their buffers and compares all results with those of a reference algorithm, which protects
against faulty drivers. 1 keeps the choice of fast algorithms, and leaves out the comparison."""


def compiler_options() -> dict[str, Any] | None:
    """Return the options for `jax.jit` on the present device; None for anything but a GPU.

    Convolutions stay outside of XLA's CUDA graphs, as by default. With them inside, a generator that was compiled by an
    earlier process failed with an error of cuDNN (JAX 0.11.2, cuDNN 9.19), and the kernels are long enough to hide the
    time in which the host starts them.
    """
    return {"xla_gpu_autotune_level": AUTOTUNE_LEVEL} if jax.default_backend() == "gpu" else None
