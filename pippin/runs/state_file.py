"""One training state in a safetensors file (no pickle) that every engine can load, with checksums.

The file's metadata has two entries. `pippin` is a JSON object: the caller's values, and `sha256`, the checksum of each
array. The entry `sha256` is the checksum of that text. Files of older runs have no checksums and are used as they are.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from pippin.errors import RunError
from pippin.host.files import atomic_path, damaged, flush
from pippin.host.own_files import is_own_file
from pippin.runs.documents import StateMetadata, checked, parse
from pippin.training.step import State


class UnusableStateError(RunError):
    """A state file is missing or damaged. (One of other networks raises a plain `RunError`.)"""


def save_state(path: Path, state: State, metadata: dict[str, Any], previous: Path | None = None) -> None:
    """Write a training state and read it again to verify it, before it replaces the old file.

    At every moment, the old file is complete at `path` or at `previous`, or the new one is complete at `path`.

    Args:
        path: the file.
        state: see `pippin.training.step.initial_state`, NumPy arrays. Each array is named by its path in the state,
            such as `generator/weights/0007`. A dict of arrays with such names is a state too.
        metadata: further values that JSON can hold; they are stored in the file's metadata.
        previous: where the old file is kept; None: it is not kept.

    Raises:
        OSError: the file cannot be written, or what was written is not what is read again.
    """
    arrays = flatten(state)
    text = json.dumps({**metadata, "sha256": {name: checksum(array) for name, array in arrays.items()}})
    header = {"pippin": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    with atomic_path(path) as part:
        part.write_bytes(safetensors.numpy.save(arrays, metadata=header))
        _verify_on_disk(part)
        if previous is not None and path.exists():
            os.replace(path, previous)


def _verify_on_disk(path: Path) -> None:
    """Flush a state file and read it again. Raises an `OSError` if it is not complete."""
    flush(path)
    if hasattr(os, "posix_fadvise"):  # read from the disk, not from the system's cache of it
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        verify_state(path)
    except RunError as problem:
        raise OSError(f"what was written is not what is read again ({problem})") from None


def verify_state(path: Path) -> None:
    """Read a state file completely and compare the checksums.

    Raises:
        UnusableStateError: the file is missing or damaged.
    """
    with _StateFile(path) as file:
        for name in file.names:
            file.read(name)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a state file by name, whatever networks they belong to; see `verify_state`."""
    with _StateFile(path) as file:
        return {name: file.read(name) for name in file.names}


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata that `save_state` stored, without reading the state.

    Raises:
        UnusableStateError: the file is missing or damaged.
    """
    with _StateFile(path) as file:
        return file.metadata


def load_state(path: Path, like: State) -> tuple[State, dict[str, Any]]:
    """Read a training state and the metadata that `save_state` stored.

    Args:
        path: the file.
        like: a state of the same networks, with the structure, shapes and dtypes that the file must have.

    Returns:
        `(state, metadata)`. The state has NumPy arrays.

    Raises:
        UnusableStateError: the file is missing or damaged.
        RunError: the file belongs to other networks.
    """
    expected = flatten(like)
    with _StateFile(path) as file:
        arrays = file.read_all({name: array.shape for name, array in expected.items()}, file.names)
    if any(arrays[name].dtype != array.dtype for name, array in expected.items()):
        raise RunError(_other_networks(path))
    return keras.tree.pack_sequence_as(like, [arrays[name] for name in expected]), file.metadata


def load_weights(path: Path, network: str, model: keras.Model) -> None:
    """Set a model's weights to those of a network in a saved state. Nothing else of the file is read.

    Args:
        path: the file.
        network: "generator", "discriminator" or "ema_generator", the averaged generator.
        model: a model with the same architecture. Its weights are overwritten.

    Raises:
        UnusableStateError: the file is missing or damaged.
        RunError: the file belongs to another network.
    """
    variables = _variables(network, model)
    with _StateFile(path) as file:
        arrays = file.read_all(_shapes(variables), _names(file, network))
    for name, variable in variables.items():
        variable.assign(arrays[name])


def check_weights(path: Path, network: str, model: keras.Model) -> None:
    """Check that `load_weights` can set a model's weights. Only the header of the file is read.

    Raises:
        UnusableStateError: the file is missing or damaged.
        RunError: the file belongs to another network.
    """
    with _StateFile(path) as file:
        file.require(_shapes(_variables(network, model)), _names(file, network))


_PARTS = ("stats", "weights")
"""The parts of a network in a state: variables that are not trained, and those that are."""


def _variables(network: str, model: keras.Model) -> dict[str, Any]:
    """Return the variables of a model by the names of their arrays."""
    parts = zip(_PARTS, (model.non_trainable_variables, model.trainable_variables), strict=True)
    return {f"{network}/{part}/{n:04d}": variable for part, found in parts for n, variable in enumerate(found)}


def _shapes(variables: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of variables by name."""
    return {name: tuple(variable.shape) for name, variable in variables.items()}


def _names(file: "_StateFile", network: str) -> list[str]:
    """Return the names of a network's arrays in a file."""
    return [name for name in file.names if name.startswith(tuple(f"{network}/{part}/" for part in _PARTS))]


def network_checksum(path: Path, network: str) -> str:
    """Return the checksum of a network's arrays in a state file, in hexadecimal; see `load_weights`."""
    with _StateFile(path) as file:
        arrays = {name: checksum(file.read(name)) for name in sorted(_names(file, network))}
    return hashlib.sha256(json.dumps(arrays).encode()).hexdigest()


def flatten(state: State) -> dict[str, np.ndarray]:
    """Return the arrays of a state, named by their paths in it."""
    return {
        "/".join(f"{part:04d}" if isinstance(part, int) else part for part in path): np.asarray(leaf)
        for path, leaf in keras.tree.flatten_with_path(state)
    }


class _StateFile:
    """An open state file, whose metadata is verified when it is opened, and whose arrays when they are read.

    As a context manager, it turns every error of reading into an `UnusableStateError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "_StateFile":
        if not is_own_file(self.path):
            raise UnusableStateError(f"The run has no checkpoint yet; train it first. Received: {self.path.parent}")
        try:
            self._file = safetensors.safe_open(self.path, framework="numpy").__enter__()
            self.names = list(self._file.keys())
            self.metadata, self._checksums = _parse_header(self._file.metadata() or {})
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as problem:
            raise UnusableStateError(damaged(self.path, problem)) from None
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._file.__exit__(kind, error, trace)

    def read(self, name: str) -> np.ndarray:
        """Return an array.

        Raises:
            UnusableStateError: it is damaged.
        """
        try:
            array = self._file.get_tensor(name)
            if self._checksums is not None and self._checksums.get(name) != checksum(array):
                raise ValueError(f"the checksum of {name} differs")
        except (OSError, ValueError, TypeError, safetensors.SafetensorError) as problem:
            raise UnusableStateError(damaged(self.path, problem)) from None
        return array

    def require(self, shapes: dict[str, tuple[int, ...]], names: Iterable[str]) -> None:
        """Raise a `RunError` unless the arrays `names` have these names and shapes. Nothing but the header is read."""
        if {name: tuple(self._file.get_slice(name).get_shape()) for name in names} != shapes:
            raise RunError(_other_networks(self.path))

    def read_all(self, shapes: dict[str, tuple[int, ...]], names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the arrays `names`, after checking that they are those of `shapes`.

        Raises:
            UnusableStateError: an array is damaged, or holds numbers that are not finite.
            RunError: the names or shapes differ. No array is read in this case, however large the file says that it is.
        """
        self.require(shapes, names)
        arrays = {name: self.read(name) for name in shapes}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise UnusableStateError(damaged(self.path, ValueError(f"{name} holds numbers that are not finite")))
        return arrays


def _parse_header(header: dict[str, str]) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Return the metadata of a state file and the checksums of its arrays; None for those of an older run.

    Raises:
        ValueError: the checksum of the metadata differs, or there are unknown entries.
        KeyError: an entry is missing.
    """
    text = header["pippin"]
    metadata = checked(parse(text), StateMetadata)
    if header.keys() == {"pippin"} and "sha256" not in metadata:
        return metadata, None
    if header.keys() != {"pippin", "sha256"} or header["sha256"] != hashlib.sha256(text.encode()).hexdigest():
        raise ValueError("the checksum of its metadata differs")
    return metadata, metadata.pop("sha256", {})


def checksum(array: np.ndarray) -> str:
    """Return the SHA-256 of an array's dtype, shape and bytes, in hexadecimal."""
    hasher = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    hasher.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()


def _other_networks(path: Path) -> str:
    """Return the message for a state of other networks."""
    return (
        "The checkpoint was made with other networks, yours or an earlier Pippin's; choose another folder with --run, "
        f"and start from this run's weights with --from. Received: {path}"
    )
