"""The folder of a run, which ordinary tools can open: read, and written so that it is always whole.

settings.json            what it was made with, and the reason for each choice
pictures.json            what was found in the source: every file, kept, mended or refused
generator.json           the networks, as Keras writes them
discriminator.json
log.jsonl                one line a tick: batches, images/s, losses
checkups.jsonl           one line a checkup: KID, diversity, overfitting, and what was done about it
checkpoint.safetensors   everything that training needs to go on
anchors.npz              which latents the real pictures were given, where there are such
best.safetensors         the same at the checkup with the lowest KID, whose pictures are the run's
pictures/                the same latents' pictures at batch 0, 50, 100, 250, …
latest.png               those pictures as they are now
timeline.png             how they grew, side by side
tensorboard/             the figures and pictures for `tensorboard --logdir RUN`
report.html              all of it on one page
evaluation.json          what `pippin evaluate` found last, and nearest.png, the pairs that it shows
directions.json          the directions in which its pictures can be edited, and their names
generator.keras          the averaged generator, for plain Keras (when the run is finished)
"""

import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from PIL import Image

from pippin.errors import NetworkError, RunError, SettingsError
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
from pippin.networks.random_state import preserved_random_state
from pippin.pictures import RGB, Audit, Preparation
from pippin.pictures.listing import read_header, write_listing
from pippin.runs import checkpoint
from pippin.sampling.directions import Directions
from pippin.settings import GIVEN, Choice, Settings
from pippin.show import GAP, grid, save_picture, timeline
from pippin.training.anchors import Anchors
from pippin.training.health import Health
from pippin.training.step import State

FORMAT = 1
"""Of the folder; raised when an older Pippin could not open a newer run."""

ABOUT = ("settings", "reasons", "source", "pictures", "held_out", "fingerprint", "engine", "versions", "machine")
"""What `settings.json` holds beside the format."""

LOG, CHECKUPS, DIRECTIONS, PICTURES = "log.jsonl", "checkups.jsonl", "directions.json", "pictures.json"

FIXED = 64
"""Latents whose pictures tell the run's story."""


class Folder:
    """The folder of a run. What is done with a run is `pippin.runs.run.Run`'s.

    Attributes:
        path: the folder.
        settings: what it was made with.
        about: the rest of `settings.json`: source, reasons, engine, versions, fingerprint of the pictures.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.about = read_json(self.path / "settings.json")
        if self.about.get("format") != FORMAT:
            raise RunError(f"The run has a format that this Pippin does not know. Received: {self.about.get('format')}")
        if missing := [name for name in ABOUT if name not in self.about]:
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
        """Make the folder of a new run, without a checkpoint yet.

        Args:
            path: the folder.
            choice: the settings and their reasons.
            about: what else to keep in `settings.json`.
            networks: `(generator, discriminator)`.

        Returns:
            The run, opened.

        Raises:
            RunError: the folder holds something else, or cannot be written.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or not all(map(_is_begun, path.iterdir()))):
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
            for name, model in zip(("generator", "discriminator"), networks, strict=True):
                write_text(path / f"{name}.json", json.dumps(json.loads(model.to_json()), indent=1))
            write_text(path / "settings.json", json.dumps(contents, indent=1))
        return cls(path)

    @property
    def choice(self) -> Choice:
        """The settings with their reasons. In older runs the reason alone says which settings were given."""
        reasons = self.about["reasons"]
        given = self.about.get("given", [name for name, reason in reasons.items() if reason == GIVEN])
        return Choice(self.settings, reasons, frozenset(given), frozenset(self.about.get("derived", [])))

    # -- the networks and their state ---------------------------------------------------------------------------------

    def network(self, name: str) -> keras.Model:
        """Build one of the run's networks, with new weights.

        Args:
            name: "generator" or "discriminator".
        """
        try:
            text = (self.path / f"{name}.json").read_text(encoding="utf-8")
            with preserved_random_state():  # of the user's program, from which Keras seeds initialisers
                model = keras.models.model_from_json(text)
            if not isinstance(model, keras.Model):
                raise ValueError(f"it holds a {type(model).__name__}")
            return model
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise RunError(damaged(self.path / f"{name}.json", problem)) from None

    def learnt(self, player: str) -> keras.Model:
        """Build one of the run's networks with what it learnt till its pictures scored best, or till now.

        Args:
            player: "generator", "discriminator", or "ema_generator", the averaged generator.

        Raises:
            RunError: there is no checkpoint, or a file is damaged.
        """
        model = self.network(player.removeprefix("ema_"))
        checkpoint.load_weights(self._best if self._best.exists() else self._checkpoint, player, model)
        return model

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run has saved a checkpoint."""
        return self._checkpoint.exists()

    @property
    def batches(self) -> int:
        """Batches trained at the last checkpoint; 0 where there is none yet."""
        return int(self._progress().get("batches", 0))

    @property
    def seconds(self) -> float:
        """Seconds trained at the last checkpoint."""
        return float(self._progress().get("seconds", 0.0))

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        return bool(self._progress().get("finished", False))

    def save_checkpoint(self, state: State, seconds: float, health: Health, finished: bool = False) -> None:
        """Keep the state, so that training can go on from it.

        Args:
            state: see `pippin.training.step.initial_state`, NumPy arrays.
            seconds: trained so far.
            health: what was found so far.
            finished: whether training came to its end.
        """
        about = {"batches": int(state["steps"]), "seconds": seconds, "finished": finished, "health": health.to_dict()}
        with run_errors(self.path):
            checkpoint.save(self._checkpoint, state, about)

    def load_checkpoint(self, like: State) -> tuple[State, float, Health]:
        """Return the state that was kept, of the structure of `like`, the seconds that it took, and what was found.

        Raises:
            RunError: it is missing, damaged, or of other networks.
        """
        return (
            checkpoint.load(self._checkpoint, like),
            self.seconds,
            Health.from_dict(self._progress().get("health", {})),
        )

    def save_anchors(self, anchors: Anchors) -> None:
        """Keep the latents of the real pictures."""
        with run_errors(self.path), atomic_path(self._anchors) as part:
            np.savez(part, **anchors._asdict())

    def load_anchors(self) -> Anchors | None:
        """Return the latents of the real pictures; None where there are none.

        Raises:
            RunError: they are damaged.
        """
        if not self._anchors.exists():
            return None
        try:
            with np.load(self._anchors) as arrays:
                return Anchors(**arrays)
        except (OSError, ValueError, TypeError, zipfile.BadZipFile) as problem:
            raise RunError(damaged(self._anchors, problem)) from None

    def save_best(self, state: State, kid: float) -> None:
        """Keep the state whose pictures scored best."""
        with run_errors(self.path):
            checkpoint.save(self._best, state, {"batches": int(state["steps"]), "kid": kid})

    def load_best(self, like: State) -> State | None:
        """Return the state whose pictures scored best, of the structure of `like`; None before the first checkup.

        Raises:
            RunError: it is damaged, or of other networks.
        """
        return checkpoint.load(self._best, like) if self._best.exists() else None

    @property
    def channels(self) -> int:
        """Of the pictures: 1 (grey), 3 (RGB) or 4 (RGBA). Runs from before there was a choice have 3."""
        return int(self.about.get("channels", RGB))

    @property
    def labels(self) -> list[str]:
        """The kinds of pictures that it tells apart, in their order; empty where it was not told any."""
        return list(self.about.get("labels", []))

    @property
    def preparation(self) -> Preparation:
        """How the pictures that it learnt from were made alike."""
        return Preparation.from_dict(self.about.get("preparation"))

    @property
    def best(self) -> tuple[int, float] | None:
        """At which batch the pictures scored best, and their KID; None where there was no checkup."""
        about = checkpoint.read_about(self._best)
        return (int(about["batches"]), float(about["kid"])) if about else None

    @property
    def _checkpoint(self) -> Path:
        return self.path / checkpoint.NAME

    @property
    def _anchors(self) -> Path:
        return self.path / "anchors.npz"

    @property
    def _best(self) -> Path:
        return self.path / checkpoint.BEST

    def _progress(self) -> dict[str, Any]:
        return checkpoint.read_about(self._checkpoint)

    # -- the pictures it learnt from, and the story --------------------------------------------------------------

    def keep_audit(self, audit: Audit) -> None:
        """Write what was found in the source."""
        with run_errors(self.path), atomic_path(self.path / PICTURES) as part:
            write_listing(part, audit.to_dict(), (entry.to_json() for entry in audit.entries))

    def about_audit(self) -> dict[str, Any]:
        """Return what was found in the source, as `Audit.to_dict`; nothing where that was not kept.

        Raises:
            RunError: it is damaged.
        """
        file = self.path / PICTURES
        try:
            return read_header(file) if file.exists() else {}
        except (OSError, ValueError) as problem:
            raise RunError(damaged(file, problem)) from None

    def log(self) -> list[dict[str, Any]]:
        """Return the log, one dict a tick, as far as the last checkpoint and whatever came after it."""
        return read_lines(self.path / LOG)

    def checkups(self) -> list[dict[str, Any]]:
        """Return the checkups, one dict each: the fields of `pippin.training.health.Checkup`, and `findings`."""
        return read_lines(self.path / CHECKUPS)

    def append_log(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append one line to the log, and return it."""
        return self._append(LOG, entry)

    def append_checkup(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Append one line to the checkups, and return it."""
        return self._append(CHECKUPS, entry)

    def rewind(self) -> None:
        """Remove what a killed process left: temporary files, and log entries after the last checkpoint."""
        with run_errors(self.path):
            remove_leftovers(self.path)
            for name in (LOG, CHECKUPS):
                if (self.path / name).exists():
                    entries = [entry for entry in read_lines(self.path / name) if entry["batches"] <= self.batches]
                    lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
                    write_text(self.path / name, "".join(lines))

    def _append(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        with run_errors(self.path), (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return entry

    def save_pictures(self, batches: int, images: np.ndarray, story: bool) -> None:
        """Keep the pictures of the fixed latents.

        Args:
            batches: trained when they were painted.
            images: uint8 (FIXED, S, S, C).
            story: whether this is a moment of the story, or only the latest look.
        """
        sheet = grid(images)
        save_picture(sheet, self.path / "latest.png")
        if story:
            save_picture(sheet, self.path / "pictures" / f"batch-{batches:06d}.png")
            save_picture(timeline(self.story()), self.path / "timeline.png")

    def story_files(self) -> list[Path]:
        """Return the sheets `pictures/batch-NNNNNN.png`, in their order."""
        return sorted(file for file in (self.path / "pictures").glob("batch-*.png") if _MOMENT.fullmatch(file.stem))

    def story(self) -> dict[int, np.ndarray]:
        """Return batch number → uint8 (FIXED, S, S, 3), the fixed latents' pictures at each moment that was kept.

        Transparent ones lie over a checkerboard, as in the files that they are read from.
        """
        moments = {}
        for file in self.story_files():
            with Image.open(file) as sheet:
                pictures = _cut(np.asarray(sheet.convert("RGB")), self.settings.image_size)
            moments[int(file.stem.removeprefix("batch-"))] = pictures
        return moments

    def save_evaluation(self, found: Mapping[str, Any], pairs: np.ndarray | None) -> None:
        """Keep what an evaluation found, and the sheet of the nearest pairs."""
        self.write_text("evaluation.json", json.dumps(found, indent=1, ensure_ascii=False))
        if pairs is not None:
            save_picture(pairs, self.path / "nearest.png")

    def evaluation(self) -> dict[str, Any] | None:
        """Return what the last evaluation found; None where there was none."""
        file = self.path / "evaluation.json"
        return read_json(file) if file.exists() else None

    def load_directions(self) -> Directions | None:
        """Return the directions that were found last, with their names; None where there are none yet."""
        file = self.path / DIRECTIONS
        if not file.exists():
            return None
        try:
            return Directions.from_dict(read_json(file))
        except (KeyError, TypeError, ValueError) as problem:
            raise RunError(damaged(file, problem)) from None

    def save_directions(self, found: Directions) -> Directions:
        """Keep directions and their names, and return them."""
        self.write_text(DIRECTIONS, json.dumps(found.to_dict()))
        return found

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of text into the run, so that it is never half there, and return its path."""
        with run_errors(self.path):
            write_text(self.path / name, text)
        return self.path / name


_MOMENT = re.compile(r"batch-\d+")


def _is_begun(path: Path) -> bool:
    """Return whether a file may be in the folder of a run that was killed before its settings were written."""
    return is_leftover(path) or path.name in {"generator.json", "discriminator.json"}


def check_writable(models: tuple[keras.Model, keras.Model]) -> None:
    """Raise a `NetworkError` unless both networks can be rebuilt from what a run keeps of them."""
    for model in models:
        try:
            with preserved_random_state():
                keras.models.model_from_json(model.to_json())
        except Exception as problem:
            message = f"The {model.name} cannot be rebuilt from its configuration; register its own classes: {problem}"
            raise NetworkError(" ".join(message.split())) from None


def _cut(sheet: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `grid` for FIXED pictures of one size."""
    starts = range(0, sheet.shape[0], size + GAP)
    return np.stack([sheet[top : top + size, left : left + size] for top in starts for left in starts])[:FIXED]
