"""The state of a training on disk, in safetensors files (no pickle) that every engine can load."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors
import safetensors.numpy

from pippin.errors import RunError
from pippin.host.files import atomic_path, damaged, run_errors
from pippin.training.anchors import Anchors
from pippin.training.health import Health
from pippin.training.step import State

CHECKPOINT, BEST, ANCHORS = "checkpoint.safetensors", "best.safetensors", "anchors.npz"


class StateFiles:
    """The files of a run that hold the state of its training.

    Args:
        path: the folder of the run.
    """

    def __init__(self, path: Path):
        self.path = path

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run has saved a checkpoint."""
        return self._checkpoint.exists()

    @property
    def batches(self) -> int:
        """Number of batches trained at the last checkpoint; 0 before the first one."""
        return int(self._metadata().get("batches", 0))

    @property
    def seconds(self) -> float:
        """Duration of the training until the last checkpoint, in seconds."""
        return float(self._metadata().get("seconds", 0.0))

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return bool(self._metadata().get("finished", False))

    @property
    def best(self) -> tuple[int, float] | None:
        """The batch of the checkpoint with the lowest KID, and that KID; None before the first checkup."""
        metadata = read_metadata(self._best)
        return (int(metadata["batches"]), float(metadata["kid"])) if metadata else None

    @property
    def generator_batches(self) -> int:
        """Number of batches for which the weights from `load_weights` were trained."""
        return self.best[0] if self.best else self.batches

    def save_checkpoint(self, state: State, seconds: float, health: Health, finished: bool = False) -> None:
        """Save the training state, from which training resumes.

        Args:
            state: see `pippin.training.step.initial_state`, NumPy arrays.
            seconds: duration of the training so far.
            health: the state of the health checks.
            finished: whether the training is complete.

        Raises:
            RunError: the file cannot be written.
        """
        metadata = {"batches": int(state["steps"]), "seconds": seconds, "finished": finished}
        with run_errors(self.path):
            save_state(self._checkpoint, state, {**metadata, "health": health.to_dict()})

    def load_checkpoint(self, like: State) -> tuple[State, float, Health]:
        """Return the training state, the duration of the training in seconds, and the state of the health checks.

        Args:
            like: a state of the same networks.

        Raises:
            RunError: there is no checkpoint, or it is damaged or belongs to other networks.
        """
        health = Health.from_dict(self._metadata().get("health", {}))
        return load_state(self._checkpoint, like), self.seconds, health

    def save_best(self, state: State, kid: float, network: str) -> None:
        """Save the training state with the lowest KID so far.

        Args:
            state: the training state, NumPy arrays.
            kid: its KID.
            network: the network whose features the KID was measured with. Older runs do not store it; theirs was
                efficientnet-lite0.

        Raises:
            RunError: the state cannot be written.
        """
        with run_errors(self.path):
            save_state(self._best, state, {"batches": int(state["steps"]), "kid": kid, "network": network})

    def load_best(self, like: State) -> State | None:
        """Return the training state with the lowest KID, or None before the first checkup; see `load_checkpoint`."""
        return load_state(self._best, like) if self._best.exists() else None

    def load_weights(self, network: str, model: keras.Model) -> None:
        """Set a model's weights to those of the best checkpoint, or of the last one if there is no best.

        Args:
            network: "generator", "discriminator" or "ema_generator", the averaged generator.
            model: a model with the same architecture. Its weights are overwritten.

        Raises:
            RunError: there is no checkpoint, or it is damaged or belongs to other networks.
        """
        load_weights(self._best if self._best.exists() else self._checkpoint, network, model)

    def save_anchors(self, anchors: Anchors) -> None:
        """Save the latents assigned to the training images. Raises a `RunError` if they cannot be written."""
        with run_errors(self.path):
            save_anchors(self.path / ANCHORS, anchors)

    def load_anchors(self) -> Anchors | None:
        """Return the latents assigned to the training images, or None. Raises a `RunError` if they are damaged."""
        return load_anchors(self.path / ANCHORS)

    @property
    def _checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    @property
    def _best(self) -> Path:
        return self.path / BEST

    def _metadata(self) -> dict[str, Any]:
        """Return the metadata of the last checkpoint; empty before the first one."""
        return read_metadata(self._checkpoint)


def save_state(path: Path, state: State, metadata: dict[str, Any]) -> None:
    """Write a training state, so that at every moment either the old file or the new one is complete.

    Args:
        path: the file.
        state: see `pippin.training.step.initial_state`, NumPy arrays. Each array is named by its path in the state,
            such as `generator/weights/0007`.
        metadata: further values that JSON can hold; they are stored in the file's metadata.

    Raises:
        OSError: the file cannot be written.
    """
    _remove_leftovers(path.parent)
    with atomic_path(path) as part:
        try:
            safetensors.numpy.save_file(_flatten(state), part, metadata={"pippin": json.dumps(metadata)})
        except safetensors.SafetensorError as problem:
            raise OSError(str(problem)) from None


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that safetensors left when a process was killed while it wrote."""
    for path in folder.glob(".tmp??????"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata that `save_state` stored, without reading the state; empty if there is no file.

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


def load_state(path: Path, like: State) -> State:
    """Read a training state.

    Args:
        path: the file.
        like: a state of the same networks, with the structure, shapes and dtypes that the file must have.

    Returns:
        The state, NumPy arrays.

    Raises:
        RunError: the file is missing or damaged, or belongs to other networks.
    """
    arrays, expected = _read(path), _flatten(like)
    if {k: (v.shape, v.dtype) for k, v in arrays.items()} != {k: (v.shape, v.dtype) for k, v in expected.items()}:
        raise RunError(
            "The checkpoint was made with other networks, yours or an earlier Pippin's; choose another folder with "
            f"--run, and start from this run's weights with --from. Received: {path}"
        )
    return keras.tree.pack_sequence_as(like, [arrays[name] for name in expected])


def load_weights(path: Path, network: str, model: keras.Model) -> None:
    """Set a model's weights to those of a network in a saved state.

    Args:
        path: the file.
        network: "generator", "discriminator" or "ema_generator", the averaged generator.
        model: a model with the same architecture. Its weights are overwritten.

    Raises:
        RunError: the file is missing or damaged, or belongs to another network.
    """
    arrays = _read(path)
    for part, variables in (("stats", model.non_trainable_variables), ("weights", model.trainable_variables)):
        values = [array for name, array in sorted(arrays.items()) if name.startswith(f"{network}/{part}/")]
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise RunError(f"The checkpoint was made with other networks. Received: {path}")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def save_anchors(path: Path, anchors: Anchors) -> None:
    """Write the anchors: the latents assigned to the training images.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path) as part:
        np.savez(part, **anchors._asdict())


def load_anchors(path: Path) -> Anchors | None:
    """Return the anchors of a file, or None if there is no file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path) as arrays:
            return Anchors(**arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as problem:
        raise RunError(damaged(path, problem)) from None


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a state file, by name."""
    if not path.exists():
        raise RunError(f"The run has no checkpoint yet; train it first. Received: {path.parent}")
    try:
        return safetensors.numpy.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as problem:
        raise RunError(damaged(path, problem)) from None


def _flatten(state: State) -> dict[str, np.ndarray]:
    """Return the arrays of a state, named by their paths in it."""
    return {
        "/".join(f"{part:04d}" if isinstance(part, int) else part for part in path): np.asarray(leaf)
        for path, leaf in keras.tree.flatten_with_path(state)
    }
