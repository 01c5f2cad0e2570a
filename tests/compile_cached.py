"""Compile on JAX with a cache in a folder (`python tests/compile_cached.py FOLDER`); print the result and the hits."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from pippin.engines.jax_cache import use_compilation_cache

assert use_compilation_cache(Path(sys.argv[1]))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(1) if name.endswith("/cache_hits") else None)
print(float(jax.jit(lambda x: jnp.tanh(x @ x).sum())(jnp.ones((8, 8)) / 8)), len(hits))
