"""PyTorch: `torch.autograd.grad`, run eagerly (its compiler cannot differentiate twice)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from keras import tree as keras_tree

from pippin.host.keras_config import default_keras_config

name = "torch"


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
    """See `pippin.engines.Engine.jit`. The function runs eagerly, and `donate` is ignored."""
    return torch.no_grad()(default_keras_config()(function))


def to_device(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_device`."""
    return keras_tree.map_structure(keras.ops.convert_to_tensor, tree)


def to_host(tree: Any) -> Any:
    """See `pippin.engines.Engine.to_host`."""
    return keras_tree.map_structure(lambda tensor: np.asarray(tensor.detach().cpu()), tree)


def device() -> str:
    """See `pippin.engines.Engine.device`."""
    return keras.src.backend.torch.core.get_device().upper()
