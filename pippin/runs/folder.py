"""The folder of a run: its files, all in formats of ordinary tools, written so that they are always complete.

settings.json            the settings and the reason for each, the source, the engine, the versions, the machine
pictures.json            every file of the source: kept, mended or refused
generator.json           the networks, in Keras' JSON
discriminator.json
log.jsonl                one line per tick (progress interval of a training): batches, images/s, losses
checkups.jsonl           one line per checkup (validation pass): KID, diversity, locked detail, findings and actions
checkpoint.safetensors   the training state, from which training resumes
anchors.npz              the latents assigned to the training images, if the training uses anchors
best.safetensors         the training state with the lowest KID, whose averaged generator the run uses
pictures/                snapshots: images of the same latents at batch 0, 50, 100, 250, …
latest.png               images of these latents at the last checkpoint
timeline.png             some of the snapshots side by side
tensorboard/             log, checkups and snapshots for `tensorboard --logdir RUN`
report.html              all of this on one page
evaluation.json          the last result of `pippin evaluate`; nearest.png shows its nearest pairs
directions.json          the editing directions and their names
generator.keras          the averaged generator for plain Keras, when the run is finished
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from pippin.errors import RunError, SettingsError
from pippin.host.files import (
    atomic_path,
    damaged,
    is_leftover,
    read_json,
    read_lines,
    remove_leftovers,
    run_errors,
    write_text,
)
from pippin.pictures import RGB, Audit, Entry, Preparation
from pippin.pictures.listing import read_files, read_header, write_listing
from pippin.runs import snapshots
from pippin.runs.checkpoint import StateFiles
from pippin.runs.network_files import read_network, write_network
from pippin.sampling.directions import Directions
from pippin.settings import GIVEN, Choice, Settings
from pippin.show import save_picture

FORMAT = 1
"""Version of the folder's format. It is raised when an older Pippin cannot open newer runs."""

REQUIRED = ("settings", "reasons", "source", "pictures", "held_out", "fingerprint", "engine", "versions", "machine")
"""Keys that `settings.json` must hold, besides the format."""

SETTINGS, LOG, CHECKUPS = "settings.json", "log.jsonl", "checkups.jsonl"
DIRECTIONS, EVALUATION, PICTURES = "directions.json", "evaluation.json", "pictures.json"
NETWORKS = "generator", "discriminator"


class Folder(StateFiles):
    """The files of a run. Training reads and writes them here; `pippin.runs.run.Run` is the interface to use a run.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        settings: the settings of the training.
        about: all of `settings.json`: settings, reasons, source, engine, versions, fingerprint of the pictures, …

    Raises:
        RunError: `settings.json` is missing, damaged, or of a newer Pippin.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(Path(path))
        self.about = read_json(self.path / SETTINGS)
        if self.about.get("format") != FORMAT:
            raise RunError(f"The run has a format that this Pippin does not know. Received: {self.about.get('format')}")
        if missing := [name for name in REQUIRED if name not in self.about]:
            raise RunError(f"The run's settings.json is damaged: no {', '.join(missing)}. Received: {self.path}")
        try:
            self.settings = Settings.from_dict(self.about["settings"])
        except (SettingsError, TypeError) as problem:
            raise RunError(f"The run's settings.json is damaged: {problem}. Received: {self.path}") from None

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
        if path.exists() and (not path.is_dir() or not all(map(_is_incomplete, path.iterdir()))):
            raise RunError(f"The run's folder holds something else; choose another with --run. Received: {path}")
        contents = {
            "format": FORMAT,
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
            write_text(path / SETTINGS, json.dumps(contents, indent=1))
        return cls(path)

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

    @property
    def preparation(self) -> Preparation:
        """How the training images were prepared."""
        return Preparation.from_dict(self.about.get("preparation"))

    # -- networks and training state -----------------------------------------------------------------------------------

    def build_network(self, name: str) -> keras.Model:
        """Build one of the run's networks with new weights.

        Args:
            name: "generator" or "discriminator".

        Raises:
            RunError: its file is damaged.
        """
        return read_network(self.path / f"{name}.json")

    def load_network(self, name: str) -> keras.Model:
        """Build one of the run's networks with the weights of the best checkpoint, or of the last if there is no best.

        Args:
            name: "generator", "discriminator" or "ema_generator", the averaged generator.

        Raises:
            RunError: there is no checkpoint, or a file is damaged.
        """
        model = self.build_network(name.removeprefix("ema_"))
        self.load_weights(name, model)
        return model

    # -- log, checkups and snapshots -----------------------------------------------------------------------------------

    def log(self) -> list[dict[str, Any]]:
        """Return the log, one dict per tick."""
        return read_lines(self.path / LOG)

    def checkups(self) -> list[dict[str, Any]]:
        """Return the checkups, one dict each: the fields of `pippin.training.health.Checkup`, and `findings`."""
        return read_lines(self.path / CHECKUPS)

    def append_log(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append an entry to the log, and return it."""
        return self._append(LOG, entry)

    def append_checkup(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append an entry to the checkups, and return it."""
        return self._append(CHECKUPS, entry)

    def _append(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        with run_errors(self.path), (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return entry

    def rewind(self) -> None:
        """Remove what a killed process left: temporary files, and log entries after the last checkpoint."""
        with run_errors(self.path):
            remove_leftovers(self.path)
            for name in (LOG, CHECKUPS):
                if (self.path / name).exists():
                    entries = [entry for entry in read_lines(self.path / name) if entry["batches"] <= self.batches]
                    lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
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
            write_listing(part, audit.to_dict(), (entry.to_json() for entry in audit.entries))

    def audit_summary(self) -> dict[str, Any]:
        """Return the summary of the source's files, as `Audit.to_dict` gives it; empty if the run does not store it.

        Raises:
            RunError: the file is damaged.
        """
        file = self.path / PICTURES
        try:
            return read_header(file) if file.exists() else {}
        except (OSError, ValueError) as problem:
            raise RunError(damaged(file, problem)) from None

    def audit_entries(self) -> Iterator[Entry]:
        """Yield the status of every file of the source; nothing if the run does not store it.

        Raises:
            RunError: the file is damaged.
        """
        file = self.path / PICTURES
        try:
            yield from map(Entry.from_json, read_files(file) if file.exists() else ())
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise RunError(damaged(file, problem)) from None

    def save_evaluation(self, evaluation: Mapping[str, Any], pairs: np.ndarray | None) -> None:
        """Write the result of an evaluation, and the sheet of the nearest pairs if there is one."""
        self.write_text(EVALUATION, json.dumps(evaluation, indent=1, ensure_ascii=False))
        if pairs is not None:
            save_picture(pairs, self.path / "nearest.png")

    def evaluation(self) -> dict[str, Any] | None:
        """Return the last result of an evaluation, or None."""
        file = self.path / EVALUATION
        return read_json(file) if file.exists() else None

    def save_directions(self, directions: Directions) -> Directions:
        """Write editing directions and their names, and return them."""
        self.write_text(DIRECTIONS, json.dumps(directions.to_dict()))
        return directions

    def load_directions(self) -> Directions | None:
        """Return the editing directions and their names, or None. Raises a `RunError` if they are damaged."""
        file = self.path / DIRECTIONS
        if not file.exists():
            return None
        try:
            return Directions.from_dict(read_json(file))
        except (KeyError, TypeError, ValueError) as problem:
            raise RunError(damaged(file, problem)) from None

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file into the folder and return its path. Raises a `RunError` if it cannot be written."""
        with run_errors(self.path):
            write_text(self.path / name, text)
        return self.path / name


def _is_incomplete(path: Path) -> bool:
    """Return whether a file may be in the folder of a run that was killed before its settings were written."""
    return is_leftover(path) or path.name in {f"{name}.json" for name in NETWORKS}
