"""PyTorch: `torch.autograd.grad`, recorded once and then run as a program of ATen operations."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from keras import tree as keras_tree

from pippin.engines.compile_time import compile_time
from pippin.engines.execution import Execution
from pippin.engines.torch_cuda import Captured
from pippin.engines.torch_record import record
from pippin.engines.torch_simplify import simplify
from pippin.engines.torch_weight_gradients import with_weight_gradients
from pippin.host.keras_config import default_keras_config

name = "torch"

MAX_PROGRAMS = 4
"""Programs that one function may have, each for other structures, shapes and types of its arguments. A training needs
one. Calls beyond that run eagerly, so that neither memory nor the time for recording grows without bound."""


def vjp(function: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Any], Any]:
    """See `pippin.engines.Engine.vjp`.

    A pullback that is called inside the function of an outer `vjp` is recorded; the outermost one is not.
    """
    tracked = keras_tree.map_structure(_track, primals)
    with torch.enable_grad():
        output, aux = function(*tracked)

    def pullback(cotangents: Any) -> Any:
        gradients = torch.autograd.grad(
            output,
            keras_tree.flatten(tracked),
            cotangents,
            create_graph=torch.is_grad_enabled(),
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        return keras_tree.pack_sequence_as(tracked, list(gradients))

    return output, pullback, aux


def _track(tensor: Any) -> Any:
    """Return a tensor that requires a gradient."""
    return tensor if tensor.requires_grad else tensor.detach().requires_grad_(True)


def jit(function: Callable[..., Any], donate: bool = False) -> Callable[..., Any]:
    """See `pippin.engines.Engine.jit`.

    A function that donates its first argument is called many times, so it is recorded in its first call. Others are
    recorded in their second call, because many are called only once.
    """
    recorded = Recorded(torch.no_grad()(default_keras_config()(function)), donate)
    return compile_time.watched(recorded, lambda: len(recorded.programs))


class Recorded:
    """A function of nested structures of tensors that runs as a program where that is possible.

    The results are those of the function itself, to the bit.

    Args:
        function: The function, which computes no gradients unless it enables them.
        donate: Whether its first argument is replaced by its first result, and so may be overwritten on a GPU.
    """

    recording = False
    """Whether a program is being recorded. Functions called meanwhile belong to that program."""

    def __init__(self, function: Callable[..., Any], donate: bool = False):
        self.programs: list[tuple[Any, Callable[..., Any]]] = []
        self._function = function
        self._donate = donate
        self._seen: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        leaves = keras_tree.flatten(args)
        if Recorded.recording or not all(isinstance(leaf, torch.Tensor) for leaf in leaves):
            return self._function(*args)
        signature = keras_tree.map_structure(_signature, args)
        leaves = [leaf if leaf.is_contiguous() else leaf.contiguous() for leaf in leaves]
        for known, program in self.programs:
            if known == signature:
                return program(leaves)
        if len(self.programs) == MAX_PROGRAMS:
            return self._eager(args, leaves)
        if self._donate or signature in self._seen:
            return self._record(args, leaves, signature)
        self._seen = [signature, *self._seen[: MAX_PROGRAMS - 1]]
        return self._eager(args, leaves)

    def _eager(self, args: Any, leaves: list[torch.Tensor]) -> Any:
        """Call the function itself."""
        return self._function(*keras_tree.pack_sequence_as(args, leaves))

    def _record(self, args: Any, leaves: list[torch.Tensor], signature: Any) -> Any:
        """Call the function itself and record a program, or note that there is none for these arguments."""
        results: list[Any] = []

        def flat(leaves: list[torch.Tensor]) -> list[torch.Tensor]:
            results.append(self._eager(args, leaves))
            return keras_tree.flatten(results[0])

        Recorded.recording = True
        try:
            with torch.autograd.set_multithreading_enabled(False):  # the recorder works in the calling thread only
                recorded = simplify(record(flat, leaves)[0])
            program = (with_weight_gradients(recorded) if leaves[0].is_cuda else recorded).compile()
        except Exception:  # if the function itself fails, it fails again below
            template = keras_tree.map_structure(lambda leaf: 0, args)
            self.programs.append((signature, functools.partial(self._eager, template)))
            return self._eager(args, leaves)
        finally:
            Recorded.recording = False
        (result,) = results
        if self._donate and leaves[0].is_cuda and keras_tree.map_structure(_signature, result[0]) == signature[0]:
            with contextlib.suppress(RuntimeError):  # a CUDA graph cannot contain every operation
                program = Captured(program, leaves, donated=len(keras_tree.flatten(args[0])))
        template = keras_tree.map_structure(lambda leaf: 0, result)
        self.programs.append((signature, lambda leaves: keras_tree.pack_sequence_as(template, program(leaves))))
        return result


def _signature(tensor: torch.Tensor) -> Any:
    """Return what a program is made for."""
    return tuple(tensor.shape), tensor.dtype, tensor.device


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return keras_tree.map_structure(_copied if _on_cuda() else keras.ops.convert_to_tensor, tree)


def _on_cuda() -> bool:
    """Return whether Keras computes on an NVIDIA GPU."""
    return str(keras.src.backend.torch.core.get_device()).startswith("cuda")


def _copied(array: Any) -> Any:
    """Return an array on a GPU. The copy waits in the device's queue, and the host goes on with the next batch."""
    if not isinstance(array, np.ndarray | np.generic) or array.dtype == np.uint32:
        return keras.ops.convert_to_tensor(array)
    return torch.as_tensor(array).pin_memory().to(keras.src.backend.torch.core.get_device(), non_blocking=True)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return keras_tree.map_structure(lambda tensor: np.asarray(tensor.detach().cpu()), tree)


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    return keras.src.backend.torch.core.get_device().upper()


def execution() -> Execution:
    """See `pippin.engines.Engine.execution`. Steps are called one by one, on a GPU with a packed state."""
    return Execution(packed=_on_cuda())


def loop(step: Callable[..., Any], select: Callable[..., Any]) -> Any:
    """See `pippin.engines.Engine.loop`."""
    raise NotImplementedError(f"{name} runs training steps one by one")
