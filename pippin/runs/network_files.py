"""The architectures of a run's networks on disk, as Keras' JSON."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from pippin.errors import NetworkError, RunError
from pippin.host.files import write_text
from pippin.host.keras_config import default_keras_config
from pippin.host.own_files import read_own
from pippin.networks import graph, initial_weights
from pippin.networks.initial_weights import deferred_weights
from pippin.networks.random_state import preserved_random_state
from pippin.runs.documents import parse
from pippin.runs.network_check import checked_network

MAX_FILE_BYTES = 64 * 2**20
"""Largest size of a network's file. The files of the presets are smaller than half a megabyte; Keras needs about thirty
times as much memory while it reads one."""

MAX_WEIGHT_BYTES = 4 * 2**30
"""Largest size of a network's weights, in bytes of float32. The largest preset network has 0.1 GB."""

MAX_MAP_BYTES = 2**30
"""Largest size of one feature map of one image, in bytes of float32. A map of 256×256 with 512 channels has 0.13 GB."""


def write_network(path: Path, model: keras.Model) -> None:
    """Write the architecture of a model, without weights.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, json.dumps(json.loads(model.to_json()), indent=1))


def no_check(model: keras.Model) -> None:
    """Accept a model."""


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a network's file, in hexadecimal."""
    return hashlib.sha256(read_own(path, MAX_FILE_BYTES) or b"").hexdigest()


@default_keras_config()
def read_network(
    path: Path, check: Callable[[keras.Model], None] = no_check, sha256: str | None = None, drawn: bool = True
) -> keras.Model:
    """Build a model from the architecture in a file.

    The file may come from anyone: what it names is checked before Keras reads it (see
    `pippin.runs.network_check.checked_network`), and the sizes of its weights and feature maps before any memory is
    allocated for them.

    Args:
        path: the file.
        check: called with the model before its weights exist; it may read their shapes and raise an error.
        sha256: the checksum that the file must have; None: older runs do not store it.
        drawn: whether its initialisers draw the weights. Otherwise weights are 0, for a caller that loads them: on JAX
            the draws of a generator take seconds, because each shape is compiled.

    Raises:
        RunError: the file is missing, damaged or refused.
    """
    contents = read_own(path, MAX_FILE_BYTES)
    if contents is None:
        raise RunError(f"The run has no {path.name}, so it is damaged. Received: {path.parent}")
    try:
        if sha256 not in (None, hashlib.sha256(contents).hexdigest()):
            raise ValueError("its checksum differs from the one in settings.json")
        with preserved_random_state():  # Keras seeds initialisers from the user's global random generators
            return _build(parse(contents), check, drawn)
    except ValueError as problem:
        raise RunError(_refused(path.name, problem, path)) from None


@default_keras_config()
def check_rebuildable(models: Iterable[keras.Model]) -> None:
    """Raise a `NetworkError` unless each model can be rebuilt from its Keras configuration, as a run stores it."""
    for model in models:
        try:
            with preserved_random_state():
                _build(json.loads(model.to_json()), drawn=False)
        except Exception as problem:
            message = (
                f"The {model.name} cannot be rebuilt from its configuration; use Keras' own layers, or name your "
                f"classes in a keras.saving.custom_object_scope: {problem}"
            )
            raise NetworkError(" ".join(message.split())) from None


def _build(value: Any, check: Callable[[keras.Model], None] = no_check, drawn: bool = True) -> keras.Model:
    """Return the model that the JSON describes; raise a `ValueError` if it is refused or Keras cannot build it."""
    checked = checked_network(value)
    with deferred_weights(initial_weights.drawn if drawn else initial_weights.zeros):
        try:
            model = keras.models.model_from_json(json.dumps(checked))
        except Exception as problem:  # Keras and the engines raise errors of many classes for odd values
            raise ValueError(f"Keras cannot build it: {_first_line(problem)}") from None
        _check_sizes(model)
        check(model)
    return model


def _check_sizes(model: keras.Model) -> None:
    """Raise a `ValueError` if the weights or a feature map of a model are larger than the limits."""
    graph.require_graph(model)
    weights = sum(4 * math.prod(variable.shape) for variable in model.variables)
    if weights > MAX_WEIGHT_BYTES:
        raise ValueError(f"its weights would take {_gib(weights)}, and the limit is {_gib(MAX_WEIGHT_BYTES)}")

    def largest(layer: Any, sizes: list[int], outputs: list[Any]) -> list[int]:
        size = max([*sizes, *(4 * math.prod(side or 1 for side in output.shape) for output in outputs)])
        return [size] * len(outputs)

    size = max(graph.propagate(model, [0] * len(model.inputs), largest), default=0)
    if size > MAX_MAP_BYTES:
        raise ValueError(f"a feature map of one image would take {_gib(size)}, and the limit is {_gib(MAX_MAP_BYTES)}")


def _gib(count: int) -> str:
    """Return a number of bytes in GiB."""
    return f"{count / 2**30:,.1f} GiB"


def _first_line(problem: Exception) -> str:
    """Return what an exception says in one line; its class if it says nothing."""
    lines = str(problem).strip().splitlines()
    return lines[0][:200] if lines else type(problem).__name__


def _refused(name: str, problem: Exception, path: Path) -> str:
    """Return the message for a network's file that Pippin does not open."""
    why = " ".join(str(problem).split())[:300]
    return f"{name} is damaged, or holds a network that Pippin does not open: {why}. Received: {path}"
