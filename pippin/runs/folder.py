"""The folder of a run: its files, all in formats of ordinary tools, written so that they are always complete.

settings.json            the settings and the reason for each, the source, the engine, the versions, the machine
pictures.json            every file of the source: kept, mended or refused
generator.json           the networks, in Keras' JSON
discriminator.json
log.jsonl                one line per tick (progress interval of a training): batches, images/s, losses
checkups.jsonl           one line per checkup (validation pass): KID, diversity, locked detail, findings and actions
checkpoint.safetensors   the training state, from which training resumes
checkpoint-previous.safetensors   the checkpoint before it, which is used if the last one is damaged
anchors.npz              the latents assigned to the training images, if the training uses anchors
best.safetensors         the training state with the lowest KID, whose averaged generator the run uses
pictures/                snapshots: images of the same latents at batch 0, 50, 100, 250, …
latest.png               images of these latents at the last checkpoint
timeline.png             some of the snapshots side by side
tensorboard/             log, checkups and snapshots for `tensorboard --logdir RUN`
report.html              all of this on one page
evaluation.json          the last result of `pippin evaluate`; nearest.png shows its nearest pairs
directions.json          the editing directions and their names
training.lock            during training: the lock of the process that trains the run,
training.json            and a description of this process
generator.keras          the averaged generator for plain Keras, when the run is finished
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from pippin.errors import RunError, SettingsError
from pippin.host.files import (
    append_line,
    atomic_path,
    damaged,
    is_leftover,
    remove_leftovers,
    run_errors,
    write_text,
)
from pippin.host.own_files import is_own_file
from pippin.pictures import RGB, Audit, Entry, Preparation
from pippin.pictures.listing import read_files, read_header, write_listing
from pippin.runs import snapshots
from pippin.runs.checkpoint import ANCHORS, StateFiles
from pippin.runs.documents import (
    CHECKUPS,
    DIRECTIONS,
    EVALUATION,
    HOLDER,
    LOCK,
    LOG,
    PICTURES,
    SETTINGS,
    CheckupEntry,
    DirectionsFile,
    EvaluationFile,
    LogEntry,
    PicturesFile,
    SettingsFile,
    checked,
    document_text,
    line_text,
    read_document,
    read_entries,
    with_checksum,
    with_line_checksum,
    without_checksum,
    without_line_checksum,
)
from pippin.runs.network_files import file_checksum, no_check, read_network, write_network
from pippin.sampling.directions import Directions
from pippin.settings import GIVEN, RANDOM, Choice, Settings
from pippin.show import save_picture
from pippin.training.anchors import Anchors

NETWORKS = "generator", "discriminator"
NETWORK_FILES = tuple(f"{name}.json" for name in NETWORKS)

MAX_AUDIT_BYTES = 2**30
"""Largest size of `pictures.json`. That of a million pictures is smaller than a fifth of it."""


class Folder(StateFiles):
    """The files of a run. Training reads and writes them here; `pippin.runs.run.Run` is the interface to use a run.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        settings: the settings of the training.
        about: all of `settings.json`: settings, reasons, source, engine, versions, fingerprint of the pictures, …
        preparation: how the training images were prepared.

    Raises:
        RunError: `settings.json` is missing, damaged, or of a newer Pippin.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(Path(path))
        about = read_document(self.path / SETTINGS, SettingsFile)
        if about is None:
            raise RunError(f"There is no run there; `pippin train` makes one. Received: {path}")
        self.about = about
        try:
            self.settings = Settings.from_dict({"start": RANDOM, **about["settings"]})  # older runs have no `start`
            self.preparation = Preparation.from_dict(about.get("preparation"))
        except (SettingsError, TypeError, ValueError, OverflowError) as problem:
            raise RunError(damaged(self.path / SETTINGS, problem)) from None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        choice: Choice,
        about: Mapping[str, Any],
        networks: tuple[keras.Model, keras.Model],
    ) -> Self:
        """Create the folder of a new run, without a checkpoint.

        Args:
            path: the folder.
            choice: the settings and their reasons.
            about: further values for `settings.json`.
            networks: `(generator, discriminator)`.

        Returns:
            The folder.

        Raises:
            RunError: the folder holds other files, or cannot be written.
        """
        path = Path(path)
        check_unused(path)
        contents = {
            "format": SettingsFile.newest,
            "settings": choice.settings.to_dict(),
            "reasons": choice.reasons,
            "given": sorted(choice.given),
            "derived": sorted(choice.derived),
            **about,
        }
        with run_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(path)
            for name, model in zip(NETWORKS, networks, strict=True):
                write_network(path / f"{name}.json", model)
            contents["networks"] = {name: file_checksum(path / name) for name in NETWORK_FILES}
            write_text(path / SETTINGS, document_text(contents))
        return cls(path)

    def change_length(self, choice: Choice) -> None:
        """Give the run another number of batches or minutes, and say that it is not finished.

        If the process is killed in between, the run is not finished and still has its old length.

        Args:
            choice: the settings from now on.

        Raises:
            RunError: a file is damaged or cannot be written.
        """
        before, after = self.settings.to_dict(), choice.settings.to_dict()
        changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        self.reopen()
        contents = {
            **self.about,
            "settings": after,
            "reasons": choice.reasons,
            "given": sorted(choice.given),
            "derived": sorted(choice.derived),
            "changes": [*self.about.get("changes", ()), {"at_batch": self.batches, **changed}],
        }
        self.write_text(SETTINGS, document_text(contents))
        self.about, self.settings = contents, choice.settings

    def change_pictures(self, facts: Mapping[str, Any]) -> None:
        """Give the run another dataset. The anchors of its training images are removed.

        If the process is killed in between, the anchors are assigned again when they are needed.

        Args:
            facts: what `settings.json` says of the dataset.

        Raises:
            RunError: a file is damaged or cannot be written.
        """
        with run_errors(self.path):
            (self.path / ANCHORS).unlink(missing_ok=True)
        changed = {"fingerprint": [self.about["fingerprint"], facts["fingerprint"]]}
        changes = [*self.about.get("changes", ()), {"at_batch": self.batches, **changed}]
        contents = {**self.about, **facts, "changes": changes}
        self.write_text(SETTINGS, document_text(contents))
        self.about, self.preparation = contents, Preparation.from_dict(contents["preparation"])

    @property
    def choice(self) -> Choice:
        """The settings with their reasons. In older runs the reason alone says which settings were given."""
        reasons = self.about["reasons"]
        given = self.about.get("given", [name for name, reason in reasons.items() if reason == GIVEN])
        return Choice(self.settings, reasons, frozenset(given), frozenset(self.about.get("derived", [])))

    @property
    def channels(self) -> int:
        """Channels of the images: 1 (grey), 3 (RGB) or 4 (RGBA). Older runs do not store them and have 3."""
        return int(self.about.get("channels", RGB))

    @property
    def labels(self) -> list[str]:
        """Names of the labels in the order of the one-hot encoding; empty if the run was trained without labels."""
        return list(self.about.get("labels", []))

    # -- networks and training state -----------------------------------------------------------------------------------

    def build_network(self, name: str, drawn: bool = True) -> keras.Model:
        """Build one of the run's networks with new weights.

        Args:
            name: "generator" or "discriminator".
            drawn: whether its initialisers draw the weights; otherwise they are 0, for a caller that loads them.

        Raises:
            RunError: its file is damaged.
        """
        return self._build(name, no_check, drawn)

    def _build(self, name: str, check: Callable[[keras.Model], None], drawn: bool) -> keras.Model:
        """Build a network; `check` is called with it before its weights exist."""

        def check_all(model: keras.Model) -> None:
            if name == "generator":
                self._check_generator(model)
            check(model)

        checksum = self.about.get("networks", {}).get(f"{name}.json")
        return read_network(self.path / f"{name}.json", check_all, checksum, drawn)

    def _check_generator(self, model: keras.Model) -> None:
        """Raise a `RunError` unless a generator has the shapes that the settings say."""
        size, labels = self.settings.image_size, len(self.labels)
        expected = [(None, self.settings.latent_dim + labels)], [(None, size, size, self.channels)]
        received = [[tuple(tensor.shape) for tensor in tensors] for tensors in (model.inputs, model.outputs)]
        if received != list(expected):
            raise RunError(
                f"generator.json does not fit settings.json: by the settings, it maps {expected[0]} to {expected[1]}, "
                f"and it maps {received[0]} to {received[1]}. Received: {self.path}"
            )

    def load_network(self, name: str) -> keras.Model:
        """Build one of the run's networks with the weights of the best checkpoint, or of the last if there is no best.

        Args:
            name: "generator", "discriminator" or "ema_generator", the averaged generator.

        Raises:
            RunError: there is no checkpoint, or a file is damaged.
        """
        model = self._build(name.removeprefix("ema_"), lambda model: self.check_weights(name, model), drawn=False)
        self.load_weights(name, model)
        return model

    def generator_fingerprint(self) -> str:
        """Return 16 hexadecimal digits for the averaged generator's architecture and weights, without building it."""
        parts = file_checksum(self.path / "generator.json"), self.weights_checksum("ema_generator")
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def load_anchors(self) -> Anchors | None:
        """Return the latents assigned to the training images, or None.

        Raises:
            RunError: they are damaged, or do not fit the settings.
        """
        anchors = super().load_anchors()
        if anchors is None:
            return None
        latents, pictures = anchors.latents, anchors.pictures
        fits = latents.ndim == 2 and latents.shape[1] <= self.settings.latent_dim
        if not fits or pictures.min(initial=0) < 0 or pictures.max(initial=0) >= max(self.about["pictures"], 1):
            raise RunError(damaged(self.path / ANCHORS, ValueError("it does not fit settings.json")))
        return anchors

    # -- log, checkups and snapshots -----------------------------------------------------------------------------------

    def log(self) -> list[dict[str, Any]]:
        """Return the log, one dict per tick."""
        return read_entries(self.path / LOG, LogEntry)

    def checkups(self) -> list[dict[str, Any]]:
        """Return the checkups, one dict each: the fields of `pippin.training.health.Checkup`, and `findings`."""
        return read_entries(self.path / CHECKUPS, CheckupEntry)

    def append_log(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append an entry to the log, and return it."""
        return self._append(LOG, entry)

    def append_checkup(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append an entry to the checkups, and return it."""
        return self._append(CHECKUPS, entry)

    def _append(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        with run_errors(self.path):
            append_line(self.path / name, line_text(entry))
        return entry

    def rewind(self) -> None:
        """Remove what a killed process left: temporary files, and log entries after the last checkpoint."""
        with run_errors(self.path):
            remove_leftovers(self.path)
            for name, read in ((LOG, self.log), (CHECKUPS, self.checkups)):
                if entries := read():
                    lines = (line_text(entry) + "\n" for entry in entries if entry["batches"] <= self.batches)
                    write_text(self.path / name, "".join(lines))

    def save_images(self, batches: int, images: np.ndarray, is_snapshot: bool) -> None:
        """Write images of the fixed latents; see `pippin.runs.snapshots.save_images`."""
        snapshots.save_images(self.path, batches, images, is_snapshot)

    def snapshot_files(self) -> list[Path]:
        """Return the snapshots' files `pictures/batch-NNNNNN.png`, sorted by batch."""
        return snapshots.snapshot_files(self.path)

    def snapshots(self) -> dict[int, np.ndarray]:
        """Return batch number → uint8 (64, S, S, 3), the generated images of the same latents at each snapshot."""
        return snapshots.read_snapshots(self.path, self.settings.image_size)

    # -- the source, the evaluation and the directions -----------------------------------------------------------------

    def save_audit(self, audit: Audit) -> None:
        """Write the status of every file of the source."""
        with run_errors(self.path), atomic_path(self.path / PICTURES) as part:
            write_listing(
                part, with_checksum(audit.to_dict()), map(with_line_checksum, map(Entry.to_json, audit.entries))
            )

    def audit_summary(self) -> dict[str, Any]:
        """Return the summary of the source's files, as `Audit.to_dict` gives it; empty if the run does not store it.

        Raises:
            RunError: the file is damaged.
        """
        file = self._audit_file()
        try:
            return {} if file is None else checked(without_checksum(read_header(file)), PicturesFile)
        except (OSError, ValueError, RecursionError) as problem:
            raise RunError(damaged(self.path / PICTURES, problem)) from None

    def audit_entries(self) -> Iterator[Entry]:
        """Yield the status of every file of the source; nothing if the run does not store it.

        Raises:
            RunError: the file is damaged.
        """
        file = self._audit_file()
        try:
            entries = () if file is None else read_files(file)
            yield from map(Entry.from_json, map(without_line_checksum, entries))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            raise RunError(damaged(self.path / PICTURES, problem)) from None

    def _audit_file(self) -> Path | None:
        """Return the file with the status of every file of the source, or None if the run does not store it."""
        file = self.path / PICTURES
        if not is_own_file(file):
            return None
        if file.stat().st_size > MAX_AUDIT_BYTES:
            problem = ValueError(f"it is larger than {MAX_AUDIT_BYTES / 2**20:,.0f} MiB")
            raise RunError(damaged(file, problem))
        return file

    def save_evaluation(self, evaluation: Mapping[str, Any], pairs: np.ndarray | None) -> None:
        """Write the result of an evaluation, and the sheet of the nearest pairs if there is one."""
        self.write_text(EVALUATION, document_text(evaluation))
        if pairs is not None:
            save_picture(pairs, self.path / "nearest.png")

    def evaluation(self) -> dict[str, Any] | None:
        """Return the last result of an evaluation, or None."""
        return read_document(self.path / EVALUATION, EvaluationFile)

    def save_directions(self, directions: Directions) -> Directions:
        """Write editing directions and their names, and return them."""
        self.write_text(DIRECTIONS, document_text(directions.to_dict(), indent=None))
        return directions

    def load_directions(self) -> Directions | None:
        """Return the editing directions and their names, or None. Raises a `RunError` if they are damaged."""
        values = read_document(self.path / DIRECTIONS, DirectionsFile)
        try:
            return None if values is None else Directions.from_dict(values)
        except ValueError as problem:
            raise RunError(damaged(self.path / DIRECTIONS, problem)) from None

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file into the folder and return its path. Raises a `RunError` if it cannot be written."""
        with run_errors(self.path):
            write_text(self.path / name, text)
        return self.path / name


def check_unused(path: Path) -> None:
    """Raise a `RunError` if a new run cannot be made in a folder, because it is a file or holds other files."""
    if path.exists() and (not path.is_dir() or not all(map(_is_incomplete, path.iterdir()))):
        raise RunError(f"The run's folder holds something else; choose another with --run. Received: {path}")


def _is_incomplete(path: Path) -> bool:
    """Return whether a file may be in the folder of a run that was killed before its settings were written."""
    return is_leftover(path) or path.name in {LOCK, HOLDER, *(f"{name}.json" for name in NETWORKS)}
