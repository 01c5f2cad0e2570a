"""JAX: `jax.vjp` and `jax.jit`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pippin.host.keras_config import default_keras_config

name = "jax"


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """See `pippin.engines.Engine.vjp`."""
    return jax.vjp(function, *primals, has_aux=True)


def jit(function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
    """See `pippin.engines.Engine.jit`."""
    return jax.jit(default_keras_config()(function), donate_argnums=(0,) if donate else ())


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return jax.device_put(tree)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return jax.tree.map(np.asarray, jax.device_get(tree))


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    devices = jax.devices()
    return devices[0].platform.upper() if len(devices) == 1 else f"{len(devices)} {devices[0].platform.upper()}"
