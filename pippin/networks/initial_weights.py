"""Initial weights: created when a network is complete, and drawn by NumPy.

Every engine has random generators of its own, so one seed would give other weights on each. JAX also compiles a program
for each shape, which took eight seconds of the start of a training.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

_UNINITIALISED = "uninitialized_variables"
"""Key under which Keras keeps the variables that were created in a `StatelessScope`."""


def drawn(initializer: Any) -> Callable[..., Any]:
    """Return what initialises a variable: a draw by NumPy for `VarianceScaling` with a seed, else the initialiser."""
    known = isinstance(initializer, keras.initializers.VarianceScaling) and initializer.distribution in DISTRIBUTIONS
    if not known or not isinstance(initializer.seed, int) or getattr(initializer, "input_axes", None) is not None:
        return initializer

    def draw(shape: tuple[int, ...], dtype: str | None = None) -> Any:
        if len(shape) < 2:  # no kernel
            return initializer(shape, dtype=dtype)
        return _draw(initializer, tuple(shape)).astype(dtype or "float32")

    return draw


def zeros(initializer: Any) -> Callable[..., Any]:
    """Return what initialises a variable whose weights are loaded afterwards: NumPy's zeros.

    The state of layers that draw random numbers has a function of its own, which stays.
    """
    return np.zeros if isinstance(initializer, keras.initializers.Initializer) else initializer


@contextmanager
def deferred_weights(choose: Callable[[Any], Callable[..., Any]] = drawn) -> Iterator[None]:
    """Give the variables that are created in the block values, and memory, only when it ends without an error.

    Args:
        choose: Called with a variable's Keras initialiser; returns what initialises it: `drawn` or `zeros`.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
        for variable in global_state.get_global_attribute(_UNINITIALISED, []):
            variable._initializer = choose(variable._initializer)
            variable._deferred_initialize()
    finally:
        global_state.set_global_attribute(_UNINITIALISED, [])


def _normal(rng: np.random.Generator, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0.0, math.sqrt(variance), shape)


def _uniform(rng: np.random.Generator, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    limit = math.sqrt(3.0 * variance)
    return rng.uniform(-limit, limit, shape)


DISTRIBUTIONS = {"untruncated_normal": _normal, "uniform": _uniform}
"""Keras' name of a distribution → the function that draws from it with a mean of 0 and a variance."""


def _draw(initializer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return weights with the variance that Keras' `VarianceScaling` gives: scale / n, where n is a fan or their mean.

    Args:
        initializer: A `keras.initializers.VarianceScaling` with an integer seed.
        shape: Of a kernel, (…, inputs, outputs).
    """
    places = math.prod(shape[:-2])
    fans: dict[str, float] = {"fan_in": places * shape[-2], "fan_out": places * shape[-1]}
    fans["fan_avg"] = (fans["fan_in"] + fans["fan_out"]) / 2
    variance = initializer.scale / max(1.0, fans[initializer.mode])
    return DISTRIBUTIONS[initializer.distribution](np.random.default_rng(initializer.seed), variance, shape)
