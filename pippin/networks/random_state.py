"""Seeds for initialisers, and the global random generators, which belong to the user's program."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

GLOBAL_SEED_GENERATOR = "global_seed_generator"
"""Key under which Keras keeps the seed generator of `keras.random` functions that are called without a seed."""


def next_seed(rng: random.Random) -> int:
    """Return the next seed for an initialiser, drawn as Keras draws it for an initialiser without a seed."""
    return rng.randint(1, 10**9)


@contextlib.contextmanager
def preserved_random_state() -> Iterator[None]:
    """Restore Python's global random generator at the end of the block.

    Keras draws from it whenever it builds a layer whose initialiser has no seed.
    """
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def temporary_global_seed(seed: int) -> Iterator[None]:
    """Seed all global random generators that a layer may draw from, and restore their states at the end of the block.

    They are those of Python, NumPy, Keras and the engine (TensorFlow and PyTorch; JAX has none).

    Args:
        seed: From 0 to 2³² − 1.
    """
    numpy_state, keras_generator = np.random.get_state(), global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    engines: dict[str, Any] = {"tensorflow": _temporary_tensorflow_seed, "torch": _temporary_torch_seed}
    engine = engines.get(keras.backend.backend(), contextlib.nullcontext)
    with preserved_random_state(), engine(seed):
        random.seed(seed)
        np.random.seed(seed)
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)  # Keras makes a new one, seeded by Python's
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, keras_generator)


@contextlib.contextmanager
def _temporary_tensorflow_seed(seed: int) -> Iterator[None]:
    """Seed TensorFlow's global generator; there is no public way to read its state."""
    import tensorflow as tf
    from tensorflow.python.eager.context import context

    state = context()._seed, getattr(context(), "_rng", None)
    tf.random.set_seed(seed)
    try:
        yield
    finally:
        context()._seed, context()._rng = state


@contextlib.contextmanager
def _temporary_torch_seed(seed: int) -> Iterator[None]:
    """Seed PyTorch's generators of the processor and of CUDA devices."""
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
