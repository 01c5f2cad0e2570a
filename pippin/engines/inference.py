"""A forward pass over any number of rows, compiled for batches of one fixed size.

Everything that runs a network without training it goes through here: generated images, logits, features and maps.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pippin import engines

Parameters = Any
"""A nested structure of tensors that a function is computed with, such as a model's weights."""

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)` with the number of rows."""


def no_progress(done: int, total: int) -> None:
    """Report no progress."""


def image_batch_size(image_size: int) -> int:
    """Return how many images of a side in pixels are computed at a time: 16 of 64×64, and as many pixels of others.

    More would be hardly faster on a processor, and one image alone would take longer.
    """
    return max(1, 16 * 64**2 // max(64, image_size) ** 2)


def in_batches(
    function: Callable[..., Any], inputs: tuple[np.ndarray, ...], batch_size: int, progress: Progress = no_progress
) -> Any:
    """Call a function on batches of one fixed size, and concatenate what it returns.

    The last batch is padded with copies of its rows and the surplus is cut off. So the function is compiled for one
    shape only, and no row's result depends on how many rows there are: engines round differently for another size.

    Args:
        function: Takes one array per input, each with `batch_size` rows, and returns an array or a list of arrays with
            as many rows. It must compute each row independently of the others.
        inputs: Arrays of N rows each, N from 1.
        batch_size: Rows in one call.
        progress: Called after each batch.

    Returns:
        One NumPy array, or a list of them, with N rows.
    """
    total = len(inputs[0])
    parts = []
    for start in range(0, total, batch_size):
        rows = np.arange(start, start + batch_size)
        count = min(batch_size, total - start)
        rows[count:] = np.resize(rows[:count], batch_size - count)
        outputs = function(*(array[rows] for array in inputs))
        parts.append([part[:count] for part in outputs] if isinstance(outputs, list) else outputs[:count])
        progress(start + count, total)
    if isinstance(parts[0], list):
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return np.concatenate(parts)


class Inference:
    """A pure function of parameters and rows, compiled once.

    Args:
        function: `function(parameters, *inputs) -> outputs`, written in `keras.ops`; see `in_batches` for inputs and
            outputs.
        batch_size: Rows in one call.
    """

    def __init__(self, function: Callable[..., Any], batch_size: int):
        self.batch_size = batch_size
        self._engine = engines.current()
        self._compiled = self._engine.jit(function)

    def __call__(self, parameters: Parameters, *inputs: np.ndarray, progress: Progress = no_progress) -> Any:
        """Compute any number of rows.

        Args:
            parameters: Tensors of the engine; see `parameters_of`.
            *inputs: NumPy arrays of N rows each.
            progress: Called after each batch.

        Returns:
            One NumPy array, or a list of them, with N rows.
        """
        return in_batches(lambda *batch: self.batch(parameters, *batch), inputs, self.batch_size, progress)

    def batch(self, parameters: Parameters, *inputs: np.ndarray) -> Any:
        """Compute one full batch: arrays of exactly `batch_size` rows. Returns NumPy arrays."""
        engine = self._engine
        return engine.to_host(self._compiled(parameters, *(engine.to_device(array) for array in inputs)))


def model_inference(model: keras.Model, batch_size: int) -> Inference:
    """Return a compiled forward pass of a model in inference mode.

    Args:
        model: Built Keras model.
        batch_size: Rows in one call.

    Returns:
        An `Inference` whose parameters are `(weights, stats)`, as in `parameters_of` and in a training state.
    """

    def forward(parameters: Parameters, *inputs: Any) -> Any:
        weights, stats = parameters
        outputs, _ = model.stateless_call(
            weights, stats, inputs[0] if len(inputs) == 1 else list(inputs), training=False
        )
        return outputs

    return Inference(forward, batch_size)


def parameters_of(model: keras.Model) -> Parameters:
    """Return a model's own `(weights, stats)`: its trainable and its other variables, as tensors of the engine."""
    return tuple(
        [keras.ops.convert_to_tensor(variable.value) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
