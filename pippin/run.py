"""A run on disk: a folder that ordinary tools can open.

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
generator.keras          the averaged generator, for plain Keras (when the run is finished)
"""

import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from pippin import checkpoint, painting
from pippin import export as exports
from pippin.disk import damaged, read_json, read_lines, write_text, writing
from pippin.errors import NetworkError, RunError, SettingsError
from pippin.networks import projector
from pippin.painting import Progress, silent
from pippin.pictures import RGB, Audit, Preparation, in_turn, one_hot
from pippin.seeds import seeds_from
from pippin.settings import Choice, Settings
from pippin.show import GAP, diagram, grid, save_picture, timeline
from pippin.training.anchors import Anchors
from pippin.training.health import Health
from pippin.training.step import State

FORMAT = 1
"""Of the folder; raised when an older Pippin could not open a newer run."""

ABOUT = ("settings", "reasons", "source", "pictures", "held_out", "fingerprint", "engine", "versions", "machine")
"""What `settings.json` holds beside the format."""

LOG, CHECKUPS = "log.jsonl", "checkups.jsonl"

FIXED = 64
"""Latents whose pictures tell the run's story."""


class Run:
    """A run on disk, opened. `pippin.train` makes one, `pippin.open_run` opens one.

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
        self._generator: keras.Model | None = None

    def __repr__(self) -> str:
        return f"Run('{self.path}', batch {self.batches:,}, {'finished' if self.finished else 'not finished'})"

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        choice: Choice,
        about: Mapping[str, Any],
        networks: tuple[keras.Model, keras.Model],
    ) -> "Run":
        """Make the folder of a new run, without a checkpoint yet.

        Args:
            path: the folder.
            choice: the settings and their reasons.
            about: what else to keep in `settings.json`.
            networks: `(generator, discriminator)`.

        Returns:
            The run.

        Raises:
            RunError: the folder holds something else, or cannot be written.
        """
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(item.name not in _BEGUN for item in path.iterdir())):
            raise RunError(f"The run's folder holds something else; choose another with --run. Received: {path}")
        contents = {
            "format": FORMAT,
            "settings": choice.settings.to_dict(),
            "reasons": choice.reasons,
            **about,
        }
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            for name, model in zip(("generator", "discriminator"), networks, strict=True):
                write_text(path / f"{name}.json", json.dumps(json.loads(model.to_json()), indent=1))
            write_text(path / "settings.json", json.dumps(contents, indent=1))
        return cls(path)

    # -- the state ---------------------------------------------------------------------------------------------------

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
        with writing(self.path):
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
        part = self._anchors.with_name("anchors.part.npz")
        with writing(self.path):
            np.savez(part, **anchors._asdict())
            os.replace(part, self._anchors)

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
        with writing(self.path):
            checkpoint.save(self._best, state, {"batches": int(state["steps"]), "kid": kid})

    def load_best(self, like: State) -> State | None:
        """Return the state whose pictures scored best, of the structure of `like`; None before the first checkup.

        Raises:
            RunError: it is damaged, or of other networks.
        """
        return checkpoint.load(self._best, like) if self._best.exists() else None

    @property
    def best(self) -> tuple[int, float] | None:
        """At which batch the pictures scored best, and their KID; None where there was no checkup."""
        about = checkpoint.read_about(self._best)
        return (int(about["batches"]), float(about["kid"])) if about else None

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

    # -- painting ----------------------------------------------------------------------------------------------------

    @property
    def generator(self) -> keras.Model:
        """The averaged generator, a Keras model: latents (B, latent_dim) → images in [−1, 1].

        It is the one whose pictures scored best; where there was no checkup, that of the last checkpoint.
        """
        if self._generator is None:
            model = self.network("generator")
            file = self._best if self._best.exists() else self._checkpoint
            checkpoint.load_weights(file, "ema_generator", model)
            self._generator = model
        return self._generator

    def network(self, name: str) -> keras.Model:
        """Build one of the run's networks, with new weights.

        Args:
            name: "generator" or "discriminator".
        """
        try:
            model = keras.models.model_from_json((self.path / f"{name}.json").read_text(encoding="utf-8"))
            if not isinstance(model, keras.Model):
                raise ValueError(f"it holds a {type(model).__name__}")
            return model
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise RunError(damaged(self.path / f"{name}.json", problem)) from None

    def paint(self, latents: np.ndarray, progress: Progress = silent) -> np.ndarray:
        """Paint latents of your own, float32 (N, latent_dim), or with labels: see `pippin.painting.with_labels`.

        Returns:
            uint8 (N, S, S, C): grey, RGB or RGBA.
        """
        return painting.paint(self.generator, latents, progress)

    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = 1.0,
        label: str | Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> np.ndarray:
        """Paint new pictures. Each has a seed of its own that makes it, alone or beside others.

        Args:
            n: how many.
            seed: of the first one; the others have seed + 1, seed + 2, …
            seeds: of each picture, instead of `n` and `seed`.
            truncation: how far from the average picture, 0 to 2; see `pippin.painting.latents_of`.
            label: of all pictures, or of each; None: each seed has one of the run's `labels`, in turn.
            progress: told how many are painted, of how many.

        Returns:
            uint8 (n, S, S, C): C is 1 (grey), 3 (RGB) or 4 (RGBA), as the pictures that it learnt from.

        Raises:
            SettingsError: `n`, a seed or `truncation` out of range, or no such label.
            RunError: the run has no checkpoint, or a damaged one.
        """
        chosen = seeds_from(seed, n) if seeds is None else seeds
        latents = painting.latents_of(chosen, self.latent_dim, truncation)
        return self.paint(self._with_labels(latents, chosen, label), progress)

    def walk(
        self,
        seeds: Sequence[int],
        frames: int = 48,
        *,
        truncation: float = 1.0,
        label: str | Sequence[str] | None = None,
        progress: Progress = silent,
    ) -> np.ndarray:
        """Paint a smooth loop through the pictures of at least two seeds, `frames` from each to the next.

        Args, errors: see `sample`; the path: see `pippin.painting.closed_path`.

        Returns:
            uint8 (len(seeds) · frames, S, S, C). After the last comes the first again.
        """
        path = painting.closed_path(painting.latents_of(seeds, self.latent_dim, truncation), frames)
        if self.labels:
            path = painting.with_labels(path, painting.labels_between(self._labels_of(seeds, label), frames))
        elif label is not None:
            self._labels_of(seeds, label)
        return self.paint(path, progress)

    @property
    def latent_dim(self) -> int:
        """Numbers that each picture is painted from, beside its label."""
        return int(self.generator.input_shape[1]) - len(self.labels)

    def _with_labels(self, latents: np.ndarray, seeds: Sequence[int], label: str | Sequence[str] | None) -> np.ndarray:
        labels = self._labels_of(seeds, label)
        return painting.with_labels(latents, labels) if self.labels else latents

    def _labels_of(self, seeds: Sequence[int], label: str | Sequence[str] | None) -> np.ndarray:
        """Return the labels of pictures as the generator takes them, (N, labels); (N, 0) where it knows none."""
        if not self.labels and label is not None:
            raise SettingsError(f"This run knows no labels: it was trained without --labels. Received: label={label}")
        if label is None:
            return (
                one_hot(in_turn(seeds, len(self.labels)), len(self.labels))
                if self.labels
                else np.zeros((len(seeds), 0))
            )
        each = [label] * len(seeds) if isinstance(label, str) else list(label)
        if unknown := [name for name in each if name not in self.labels]:
            raise SettingsError(f"label must be one of {', '.join(self.labels)}. Received: label={unknown[0]}")
        if len(each) != len(seeds):
            raise SettingsError(
                f"Give one label, or one for each picture. Received: {len(each)} for {len(seeds)} pictures"
            )
        return one_hot([self.labels.index(name) for name in each], len(self.labels))

    def export(self, to: str, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the generator for use elsewhere.

        Args:
            to: "keras", "onnx", "web", "huggingface" or "tflite".
            path: the file, or the folder for "web" and "huggingface"; None: in the run's folder.

        Returns:
            The path.

        Raises:
            ExportError: see `pippin.export.export`.
            RunError: the run has no checkpoint, or a damaged one.
        """
        return exports.export(self.trained(), to, self.path / exports.default_name(to) if path is None else path)

    def trained(self) -> exports.Trained:
        """Return the generator, and what is known of it."""
        pictures = self.path / "pictures.json"
        return exports.Trained(
            name=self.path.resolve().name,
            generator=self.generator,
            settings=self.settings,
            about=self.about,
            batches=self.batches,
            seconds=self.seconds,
            best=self.best,
            audit=read_json(pictures) if pictures.exists() else {},
            evaluation=self.evaluation(),
        )

    def diagram(self, format: str = "svg", theme: str = "auto") -> str | Image.Image:
        """Draw the run's networks: layers, shapes, parameters, and where the memory and the time go.

        Args:
            format, theme: see `pippin.show.diagram.draw`.

        Returns:
            The text of an SVG file, or a Pillow picture.

        Raises:
            SettingsError: no such format or theme.
            RunError: a network's file is damaged.
        """
        judge = [self.network("discriminator")]
        if len(judge[0].inputs) - bool(self.labels) > 1:  # it takes the projector's maps
            judge.insert(0, projector.build(self.settings.image_size, self.channels))
        return diagram.draw([[self.network("generator")], judge], format, theme)

    # -- the pictures it learnt from, and the story --------------------------------------------------------------

    def keep_audit(self, audit: Audit) -> None:
        """Write what was found in the source."""
        write_text(self.path / "pictures.json", json.dumps(audit.to_json(), indent=1))

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
        """Forget the lines that were written after the last checkpoint: those batches will be trained again."""
        for name in (LOG, CHECKUPS):
            if (self.path / name).exists():
                kept = [entry for entry in read_lines(self.path / name) if entry["batches"] <= self.batches]
                write_text(self.path / name, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in kept))

    def _append(self, name: str, entry: dict[str, Any]) -> dict[str, Any]:
        with writing(self.path), (self.path / name).open("a", encoding="utf-8") as file:
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
        write_text(self.path / "evaluation.json", json.dumps(found, indent=1, ensure_ascii=False))
        if pairs is not None:
            save_picture(pairs, self.path / "nearest.png")

    def evaluation(self) -> dict[str, Any] | None:
        """Return what the last evaluation found; None where there was none."""
        file = self.path / "evaluation.json"
        return read_json(file) if file.exists() else None

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of text into the run, so that it is never half there, and return its path."""
        write_text(self.path / name, text)
        return self.path / name

    def export_generator(self) -> Path:
        """Write `generator.keras`, the averaged generator for plain Keras, and return its path."""
        self._generator = None  # a better state may have been kept since
        return self.export("keras")


_MOMENT = re.compile(r"batch-\d+")

_BEGUN = {
    "generator.json",
    "generator.json.part",
    "discriminator.json",
    "discriminator.json.part",
    "settings.json.part",
}
"""What a process leaves that was killed while it made the folder of a run."""


def is_run(path: str | os.PathLike[str]) -> bool:
    """Say whether there is a run in that folder."""
    return (Path(path) / "settings.json").exists()


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run on disk, finished or not.

    Args:
        path: its folder.

    Returns:
        The run.

    Raises:
        RunError: there is none, or it is damaged.
    """
    if not is_run(path):
        raise RunError(f"There is no run there; `pippin train` makes one. Received: {path}")
    return Run(path)


def check_writable(models: tuple[keras.Model, keras.Model]) -> None:
    """Raise a `NetworkError` unless both networks can be rebuilt from what a run keeps of them."""
    for model in models:
        try:
            keras.models.model_from_json(model.to_json())
        except Exception as problem:
            message = f"The {model.name} cannot be rebuilt from its configuration; register its own classes: {problem}"
            raise NetworkError(" ".join(message.split())) from None


def _cut(sheet: np.ndarray, size: int) -> np.ndarray:
    """The inverse of `grid` for FIXED pictures of one size."""
    starts = range(0, sheet.shape[0], size + GAP)
    return np.stack([sheet[top : top + size, left : left + size] for top in starts for left in starts])[:FIXED]
