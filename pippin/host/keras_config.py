"""Keras' global configuration, which the user may have changed in `keras.json` or in Python."""

import contextlib
from collections.abc import Iterator

DATA_FORMAT, FLOAT, EPSILON = "channels_last", "float32", 1e-7
"""Keras' own defaults for the order of axes, the type of weights and computation, and the smallest denominator. Runs,
exports and the training step rely on them."""


@contextlib.contextmanager
def default_keras_config() -> Iterator[None]:
    """Set Keras' defaults for the block, and restore the user's configuration afterwards.

    Layers read the configuration when they are made, operations when they are computed or traced. So whatever makes
    layers or traces operations is called within. Works as a decorator too.
    """
    from keras import config  # only now, because the backend is chosen before Keras is loaded

    users = config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy()
    try:
        _set(DATA_FORMAT, FLOAT, EPSILON)
        config.set_dtype_policy(FLOAT)
        yield
    finally:
        *values, policy = users
        _set(*values)
        config.set_dtype_policy(policy)


def _set(data_format: str, float_type: str, epsilon: float) -> None:
    """Set three values of the configuration."""
    from keras import config

    config.set_image_data_format(data_format)
    config.set_floatx(float_type)
    config.set_epsilon(epsilon)
