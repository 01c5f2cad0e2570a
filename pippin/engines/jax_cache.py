"""JAX: compiled programs on disk, so that the next training of the same networks does not compile again."""

from pathlib import Path

import jax

MAX_BYTES = 4 * 2**30
"""Largest size of the cache in bytes. A compiled step takes tens of megabytes. Programs that were not used for the
longest time are removed first. With a limit, JAX also locks the folder for each reading and writing, so that two
processes may share it."""


def use_compilation_cache(folder: Path) -> bool:
    """Keep compiled programs in a folder, unless the user has chosen another one by JAX's own setting.

    Args:
        folder: It is created.

    Returns:
        Whether compiled programs are kept on disk.
    """
    if jax.config.jax_compilation_cache_dir:
        return True
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # no home, or one that cannot be written: every process compiles for itself
        return False
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # initial weights: a hundred small programs
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return True
