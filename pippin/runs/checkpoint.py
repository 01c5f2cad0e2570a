"""The state of training in one safetensors file (no pickle), which any engine can go on from."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from pippin.errors import RunError
from pippin.host.files import atomic_path, damaged
from pippin.training.step import State

NAME, BEST = "checkpoint.safetensors", "best.safetensors"


def save(path: Path, state: State, about: dict[str, Any]) -> None:
    """Write a state so that at every moment either the old file or the new one is whole.

    Args:
        path: the file.
        state: see `pippin.training.step.initial_state`, NumPy arrays. Each is named by its place in it, such as
            `generator/weights/0007`.
        about: what else to know, as JSON can hold it; kept in the file's metadata.
    """
    _remove_leftovers(path.parent)
    with atomic_path(path) as part:
        try:
            safetensors.numpy.save_file(_flatten(state), part, metadata={"pippin": json.dumps(about)})
        except safetensors.SafetensorError as problem:
            raise OSError(str(problem)) from None


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that safetensors left when a process was killed while it wrote."""
    for path in folder.glob(".tmp??????"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def read_about(path: Path) -> dict[str, Any]:
    """Return what `save` was told besides the state, without reading the state; nothing where there is no file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {})["pippin"])
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as problem:
        raise RunError(damaged(path, problem)) from None


def load(path: Path, like: State) -> State:
    """Read a state.

    Args:
        path: the file.
        like: a state of the same networks, whose structure, shapes and dtypes it must have.

    Returns:
        The state, NumPy arrays.

    Raises:
        RunError: the file is missing, damaged, or of other networks.
    """
    arrays, wanted = _read(path), _flatten(like)
    if {k: (v.shape, v.dtype) for k, v in arrays.items()} != {k: (v.shape, v.dtype) for k, v in wanted.items()}:
        raise RunError(
            "The checkpoint was made with other networks, of yours or of an earlier Pippin; choose another folder with "
            f"--run, and start from what it learnt with --from. Received: {path}"
        )
    return keras.tree.pack_sequence_as(like, [arrays[name] for name in wanted])


def load_weights(path: Path, player: str, model: keras.Model) -> None:
    """Give a model the weights that a state has for it.

    Args:
        path: the file.
        player: "generator", "discriminator" or "ema_generator".
        model: a model of the same network, which is changed.

    Raises:
        RunError: the file is missing, damaged, or of another network.
    """
    arrays = _read(path)
    for part, variables in (("stats", model.non_trainable_variables), ("weights", model.trainable_variables)):
        values = [array for name, array in sorted(arrays.items()) if name.startswith(f"{player}/{part}/")]
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise RunError(f"The checkpoint was made with other networks. Received: {path}")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise RunError(f"The run has no checkpoint yet; train it first. Received: {path.parent}")
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as problem:
        raise RunError(damaged(path, problem)) from None


def _flatten(state: State) -> dict[str, np.ndarray]:
    return {
        "/".join(f"{part:04d}" if isinstance(part, int) else part for part in path): np.asarray(leaf)
        for path, leaf in keras.tree.flatten_with_path(state)
    }
