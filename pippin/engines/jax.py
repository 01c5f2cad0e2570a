"""JAX: `jax.vjp` and `jax.jit`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pippin.engines.compile_time import compile_time
from pippin.engines.execution import Execution
from pippin.engines.jax_cache import use_compilation_cache
from pippin.engines.jax_loop import JaxLoop
from pippin.engines.jax_options import compiler_options
from pippin.host.keras_config import default_keras_config
from pippin.host.user_cache import user_cache

name = "jax"

STEPS_PER_CALL = 10
"""Training steps in one call on an accelerator. It divides the interval between two ticks, and a call of 10 steps of a
few milliseconds each still ends soon after Ctrl-C."""

RESIDENT_SHARE = 0.25
"""Share of an accelerator's memory that the training set may take. The rest is for weights and feature maps."""


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """See `pippin.engines.Engine.vjp`."""
    return jax.vjp(function, *primals, has_aux=True)


def jit(function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
    """See `pippin.engines.Engine.jit`."""
    compiled = jax.jit(
        default_keras_config()(function),
        donate_argnums=(0,) if donate else (),
        compiler_options=compiler_options(),
    )
    return compile_time.watched(compiled, compiled._cache_size)


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return jax.device_put(tree)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return jax.tree.map(np.asarray, jax.device_get(tree))


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    devices = jax.devices()
    if devices[0].platform != "cpu":  # on a processor a compiled program may not fit another one that shares the cache
        use_compilation_cache(user_cache() / "compiled")
    return devices[0].platform.upper() if len(devices) == 1 else f"{len(devices)} {devices[0].platform.upper()}"


def execution() -> Execution:
    """See `pippin.engines.Engine.execution`. One processor runs step by step, anything else several steps in a call."""
    devices = jax.local_devices()
    if jax.device_count() == 1 and devices[0].platform == "cpu":
        return Execution()
    memory = (devices[0].memory_stats() or {}).get("bytes_limit", 0)
    resident = round(RESIDENT_SHARE * memory) if jax.process_count() == 1 else 0
    return Execution(jax.device_count(), STEPS_PER_CALL, packed=True, resident_bytes=resident)


def loop(step: Callable[..., Any], select: Callable[..., Any]) -> JaxLoop:
    """See `pippin.engines.Engine.loop`."""
    return JaxLoop(step, select)
