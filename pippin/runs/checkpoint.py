"""The states of a training on disk: the last checkpoint, the one before it, and the best one."""

import dataclasses
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
from pydantic import TypeAdapter

from pippin.errors import PippinWarning, RunError
from pippin.host.files import atomic_path, damaged, run_errors
from pippin.host.own_files import is_own_file
from pippin.runs.state_file import (
    UnusableStateError,
    check_weights,
    load_state,
    load_weights,
    network_checksum,
    read_arrays,
    read_metadata,
    save_state,
    verify_state,
)
from pippin.training.anchors import Anchors
from pippin.training.health import Health
from pippin.training.step import State

CHECKPOINT, PREVIOUS, BEST = "checkpoint.safetensors", "checkpoint-previous.safetensors", "best.safetensors"
ANCHORS = "anchors.npz"

T = TypeVar("T")


class Checkpoint(NamedTuple):
    """What a checkpoint holds, in the order of the arguments of `pippin.training.trainer.Trainer.load`.

    Attributes:
        state: the training state, NumPy arrays.
        seconds: duration of the training until then in seconds, without compiling.
        health: the state of the health checks.
        compile_seconds: time spent on compiling until then in seconds; 0 for runs that counted it as training.
    """

    state: State
    seconds: float
    health: Health
    compile_seconds: float


class StateFiles:
    """The files of a run that hold the state of its training.

    The checkpoint before the last one is kept too. It is used, with a `PippinWarning`, if the last one is damaged.

    Args:
        path: the folder of the run.
    """

    def __init__(self, path: Path):
        self.path = path

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run has saved a checkpoint."""
        return bool(self._checkpoints)

    @property
    def batches(self) -> int:
        """Number of batches trained at the last checkpoint; 0 before the first one."""
        return int(self._metadata().get("batches", 0))

    @property
    def seconds(self) -> float:
        """Duration of the training until the last checkpoint, in seconds, without compiling."""
        return float(self._metadata().get("seconds", 0.0))

    @property
    def compile_seconds(self) -> float:
        """Time spent on compiling until the last checkpoint, in seconds; 0 for runs that counted it as training."""
        return float(self._metadata().get("compile_seconds", 0.0))

    @property
    def finished(self) -> bool:
        """Whether the training is complete."""
        return bool(self._metadata().get("finished", False))

    @property
    def best(self) -> tuple[int, float] | None:
        """The batch of the checkpoint with the lowest KID, and that KID; None before the first checkup."""
        try:
            metadata = read_metadata(self._best)
        except UnusableStateError:  # missing or damaged; the weights are then those of the last checkpoint
            return None
        return int(metadata["batches"]), float(metadata["kid"])

    @property
    def generator_batches(self) -> int:
        """Number of batches for which the weights from `load_weights` were trained."""
        return self.best[0] if self.best else self.batches

    def save_checkpoint(
        self, state: State, seconds: float, health: Health, finished: bool = False, compile_seconds: float = 0.0
    ) -> None:
        """Save the training state, from which training resumes, and keep the checkpoint before it.

        Args:
            state: see `pippin.training.step.initial_state`, NumPy arrays.
            seconds: duration of the training so far, without compiling.
            health: the state of the health checks.
            finished: whether the training is complete.
            compile_seconds: time spent on compiling so far.

        Raises:
            RunError: the file cannot be written.
        """
        metadata = {
            "batches": int(state["steps"]),
            "seconds": seconds,
            "compile_seconds": compile_seconds,
            "finished": finished,
            "health": health.to_dict(),
        }
        with run_errors(self.path):
            save_state(self._checkpoint, state, metadata, self._previous)

    def load_checkpoint(self, like: State) -> Checkpoint:
        """Return the last checkpoint.

        Args:
            like: a state of the same networks.

        Raises:
            RunError: there is no usable checkpoint, or it belongs to other networks.
        """

        def load(path: Path) -> Checkpoint:
            state, metadata = load_state(path, like)
            seconds, compile_seconds = (float(metadata.get(name, 0.0)) for name in ("seconds", "compile_seconds"))
            return Checkpoint(state, seconds, _read_health(metadata, path), compile_seconds)

        return self._first_usable(load, self._checkpoints)

    def reopen(self) -> None:
        """Say in the last checkpoint of a finished run that it is not finished, so that it can be trained for longer.

        The count of checkups without a better KID starts again, because it may have ended the training.
        """
        if not self.finished:
            return
        metadata = {**self._metadata(), "finished": False}
        health = _read_health(metadata, self._checkpoint)
        health.since_best = 0
        with run_errors(self.path):
            state = self._first_usable(read_arrays, self._checkpoints)
            save_state(self._checkpoint, state, {**metadata, "health": health.to_dict()}, self._previous)

    def repair(self) -> list[str]:
        """Verify the saved states. Replace a damaged checkpoint by the one before it, and remove a damaged best state.

        Call this before training resumes, so that all of the run's files are those of one checkpoint.

        Returns:
            A sentence for the user about each damaged file.

        Raises:
            RunError: no checkpoint is usable, or a file cannot be written.
        """
        repairs = []
        with run_errors(self.path):
            if self._previous.exists():
                try:
                    verify_state(self._checkpoint)
                except UnusableStateError as problem:
                    verify_state(self._previous)
                    if self._checkpoint.exists():  # if it is missing, the process was killed between two renamings
                        batches = int(read_metadata(self._previous)["batches"])
                        repairs.append(f"{problem}. The checkpoint before it is used, that of batch {batches:,}")
                    os.replace(self._previous, self._checkpoint)
            if self._best.exists():
                try:
                    verify_state(self._best)
                except UnusableStateError as problem:
                    repairs.append(f"{problem}. It was removed; the next checkup chooses the best state again")
                    self._best.unlink()
        return repairs

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
        """Return the training state with the lowest KID; None before the first checkup, or if the file is damaged.

        Raises:
            RunError: it belongs to other networks.
        """
        try:
            return load_state(self._best, like)[0]
        except UnusableStateError:
            return None

    def load_weights(self, network: str, model: keras.Model) -> None:
        """Set a model's weights to those of the best checkpoint, or of the last one if there is no best.

        Args:
            network: "generator", "discriminator" or "ema_generator", the averaged generator.
            model: a model with the same architecture. Its weights are overwritten.

        Raises:
            RunError: there is no checkpoint, or it is damaged or belongs to other networks.
        """
        self._first_usable(lambda path: load_weights(path, network, model), self._generator_states)

    def check_weights(self, network: str, model: keras.Model) -> None:
        """Check, before a model takes memory, that `load_weights` can set its weights; for the arguments see there."""
        self._first_usable(lambda path: check_weights(path, network, model), self._generator_states)

    def weights_checksum(self, network: str) -> str:
        """Return the checksum of the arrays that `load_weights` would load, in hexadecimal, without any model."""
        return self._first_usable(lambda path: network_checksum(path, network), self._generator_states)

    @property
    def _generator_states(self) -> list[Path]:
        """The files from which weights are loaded: the best state first, if there is one."""
        return [*([self._best] if self._best.exists() else []), *self._checkpoints]

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

    @property
    def _previous(self) -> Path:
        return self.path / PREVIOUS

    @property
    def _checkpoints(self) -> list[Path]:
        """The last checkpoint and the one before it, as far as they exist."""
        return [path for path in (self._checkpoint, self._previous) if path.exists()]

    def _metadata(self) -> dict[str, Any]:
        """Return the metadata of the last usable checkpoint; empty before the first one."""
        return self._first_usable(read_metadata, self._checkpoints) if self.has_checkpoint else {}

    def _first_usable(self, read: Callable[[Path], T], paths: Iterable[Path]) -> T:
        """Return what `read` returns for the first file that is not damaged, with a warning about those before it.

        Raises:
            RunError: there is no file, or all of them are damaged; the error is that of the first one.
        """
        problems: list[UnusableStateError] = []
        for path in paths:
            try:
                result = read(path)
            except UnusableStateError as problem:
                problems.append(problem)
                continue
            for skipped in problems:
                warnings.warn(f"{skipped}. {path.name} is used instead", PippinWarning, stacklevel=3)
            return result
        if not problems:
            raise UnusableStateError(f"The run has no checkpoint yet; train it first. Received: {self.path}")
        raise problems[0]


def _read_health(metadata: dict[str, Any], path: Path) -> Health:
    """Return the state of the health checks in a checkpoint's metadata."""
    try:
        return TypeAdapter(Health).validate_python(dataclasses.asdict(Health.from_dict(metadata.get("health", {}))))
    except (TypeError, ValueError) as problem:
        raise UnusableStateError(damaged(path, problem)) from None


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
    if not is_own_file(path):
        return None
    try:
        with zipfile.ZipFile(path) as members:
            if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
                raise ValueError("it is compressed, and Pippin does not compress it")  # it could take any memory
        with np.load(path) as arrays:
            anchors = Anchors(**arrays)
        if anchors.pictures.ndim != 1 or anchors.latents.shape[:-1] != anchors.pictures.shape:
            raise ValueError("its arrays have other shapes")
        if anchors.pictures.dtype.kind != "i" or not np.isfinite(anchors.latents).all():
            raise ValueError("its arrays hold other values")
        return anchors
    except _UNREADABLE as problem:
        raise RunError(damaged(path, problem)) from None


_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    OverflowError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What NumPy and `zipfile` raise for files that are damaged."""
