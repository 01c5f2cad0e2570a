"""JAX: several training steps in one call, on all devices.

The batches of a call are stacked on a first axis, and a loop on the device runs one step after the other. The number of
steps is an input, so one compilation serves every number up to the size of the stack, and each step is the same code
whether it runs alone or among others. On several devices, rows of the batch are spread over the devices, and the state
is on all of them; XLA inserts the communication, so sums and means are those of the whole batch.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pippin.engines.compile_time import compile_time
from pippin.engines.jax_options import compiler_options
from pippin.host.keras_config import default_keras_config


class JaxLoop:
    """A compiled loop of training steps.

    Args:
        step: Pure function `step(state, batch) -> (state, measures)`. `measures` are float32 scalars.
        select: Pure function `select(batch, images) -> batch`, called in each step with the resident images, or None.
    """

    def __init__(self, step: Callable[..., Any], select: Callable[..., Any]) -> None:
        mesh = Mesh(np.array(jax.devices()), ("data",))
        self._replicated = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec(None, "data"))
        self.devices = len(jax.devices())
        one_step = jax.jit(lambda state, batch, images: step(state, select(batch, images)))  # traced once, used twice
        compiled: Any = jax.jit(
            default_keras_config()(_loop(one_step)),
            donate_argnums=(0,),
            out_shardings=self._replicated,
            compiler_options=compiler_options(),
        )
        self._compiled = compile_time.watched(compiled, compiled._cache_size)

    def __call__(self, state: Any, batches: Any, count: int, images: Any = None) -> tuple[Any, Any]:
        """Run the first `count` of K stacked batches.

        Args:
            state: Tensors of `put`; their memory is reused, and they must not be used afterwards.
            batches: Nested structure of tensors (K, …), from `put_rows` and `put`.
            count: From 1 to K.
            images: The resident images, from `put`, or None.

        Returns:
            `(state, measures)`; each measure is (K,), with zeros after the first `count`.
        """
        return self._compiled(state, batches, np.int32(count), images)

    def lower(self, state: Any, batches: Any, count: int, images: Any = None) -> Any:
        """Return the lowered computation of a call, for counting its operations."""
        return self._compiled.lower(state, batches, np.int32(count), images)

    def put(self, tree: Any) -> Any:
        """Copy a nested structure of NumPy arrays to all devices."""
        return jax.tree.map(self._put, tree)

    def _put(self, array: Any) -> Any:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, self._replicated, lambda index: array[index])

    def put_rows(self, shape: tuple[int, ...], read: Callable[[int, slice], np.ndarray]) -> Any:
        """Return a tensor (K, B, …) whose second axis is spread over the devices.

        Args:
            shape: Of the whole tensor. The number of devices must divide B.
            read: Called as `read(k, rows)` for the rows of each local device only; returns an array (rows, …).
        """

        def read_part(index: tuple[slice, ...]) -> np.ndarray:
            return np.stack([read(k, index[1]) for k in range(shape[0])])

        return jax.make_array_from_callback(shape, self._rows, read_part)

    def local(self, tree: Any) -> Any:
        """Return tensors of `put`, or results, as tensors on the first local device."""
        return jax.tree.map(lambda array: array.addressable_data(0), tree)


def _loop(one_step: Callable[..., Any]) -> Callable[..., Any]:
    """Return `loop(state, batches, count, images)`; see `JaxLoop`."""

    def loop(state: Any, batches: Any, count: Any, images: Any) -> tuple[Any, Any]:
        size = jax.tree.leaves(batches)[0].shape[0]

        def batch_at(k: Any) -> Any:
            return jax.tree.map(lambda array: jax.lax.dynamic_index_in_dim(array, k, keepdims=False), batches)

        def body(k: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            state, measured = carry
            state, measures = one_step(state, batch_at(k), images)
            return state, {name: measured[name].at[k].set(value) for name, value in measures.items()}

        _, shapes = jax.eval_shape(one_step, state, jax.eval_shape(batch_at, 0), images)
        measured = {name: jnp.zeros((size, *shape.shape), shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(0, count, body, (state, measured))

    return loop
