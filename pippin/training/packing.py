"""Packing of a training state: all arrays of one kind in one flat vector.

A state of `standard` at 64×64 has more than 400 arrays. On an accelerator each of them costs a kernel, or a part of
one, in Adam, in the moving average and in the check of finite losses, and time to pass it to each call. Packed, the
weights of a network are one vector, and so are their moments and their averages. Packing copies numbers and computes
none.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

MOMENTS = ("first_moment", "second_moment")
"""The entries of a player's state that have the shapes of its weights."""


class Packing:
    """Joins a list of arrays into one float32 vector and the arrays of other dtypes, and splits them again.

    Args:
        arrays: Arrays, tensors or Keras variables with the shapes and dtypes of the list.
        packed: Whether to pack at all. If not, both methods return the list that they are given.
    """

    def __init__(self, arrays: list[Any], packed: bool) -> None:
        self.packed = packed and bool(arrays)
        self.shapes = [tuple(array.shape) for array in arrays]
        self._floats = [keras.backend.standardize_dtype(array.dtype) == "float32" for array in arrays]

    @property
    def sizes(self) -> list[int]:
        """The number of elements of each array in the vector."""
        return [int(np.prod(shape)) for shape, is_float in zip(self.shapes, self._floats, strict=True) if is_float]

    def join(self, arrays: list[Any]) -> list[Any]:
        """Return `[vector, *others]` for NumPy arrays or tensors."""
        if not self.packed:
            return arrays
        pairs = list(zip(arrays, self._floats, strict=True))
        flat = [_reshaped(array, (-1,)) for array, is_float in pairs if is_float]
        others = [array for array, is_float in pairs if not is_float]
        if not flat:
            return others
        concatenate = np.concatenate if isinstance(flat[0], np.ndarray) else ops.concatenate
        return [concatenate(flat), *others]

    def split(self, joined: list[Any]) -> list[Any]:
        """Return the arrays that `join` joined; of NumPy arrays, views."""
        if not self.packed:
            return joined
        start, rest, arrays = 0, list(joined[1:] if any(self._floats) else joined), []
        for shape, is_float in zip(self.shapes, self._floats, strict=True):
            if not is_float:
                arrays.append(rest.pop(0))
                continue
            end = start + int(np.prod(shape))
            arrays.append(_reshaped(joined[0][start:end], shape))
            start = end
        return arrays

    def spread(self, factors: list[Any]) -> list[Any]:
        """Return one factor for each array as factors for the joined list: a vector with the size of `join`'s.

        Args:
            factors: A scalar for each array; equal ones must be the same object.
        """
        if not self.packed:
            return factors
        runs: list[tuple[Any, int]] = []
        for factor, size in zip(factors, self.sizes, strict=True):
            if runs and runs[-1][0] is factor:
                runs[-1] = factor, runs[-1][1] + size
            else:
                runs.append((factor, size))
        if len(runs) == 1:
            return [runs[0][0]]
        return [ops.concatenate([ops.broadcast_to(factor, (size,)) for factor, size in runs])]


def _reshaped(array: Any, shape: tuple[int, ...]) -> Any:
    """Return a NumPy array or a tensor with another shape."""
    return array.reshape(shape) if isinstance(array, np.ndarray) else ops.reshape(array, shape)


class StatePacking:
    """The packing of a whole training state; see `pippin.training.step.initial_state`.

    Args:
        generator: Built Keras model.
        discriminator: Built Keras model.
        packed: Whether to pack at all.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, packed: bool) -> None:
        players = {"generator": generator, "discriminator": discriminator}
        self.weights = {
            name: Packing(variables, packed and all(variable.dtype == "float32" for variable in variables))
            for name, variables in ((name, model.trainable_variables) for name, model in players.items())
        }
        self.stats = {name: Packing(model.non_trainable_variables, packed) for name, model in players.items()}

    def pack(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a state packed."""
        return self._map(state, "join")

    def unpack(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return a packed state with all of its arrays."""
        return self._map(state, "split")

    def _map(self, state: dict[str, Any], method: str) -> dict[str, Any]:
        """Return a state with a method of the packings applied to each list."""
        mapped = dict(state)
        for entry, player in (("generator",) * 2, ("discriminator",) * 2, ("ema_generator", "generator")):
            mapped[entry] = self._map_player(player, state[entry], method)
        return mapped

    def _map_player(self, player: str, parts: dict[str, Any], method: str) -> dict[str, Any]:
        """Return the parts of one network with a method of the packings applied to each list."""
        packings = {"weights": self.weights[player], "stats": self.stats[player]}
        packings |= dict.fromkeys(MOMENTS, self.weights[player])
        return {part: getattr(packings[part], method)(list(arrays)) for part, arrays in parts.items()}
