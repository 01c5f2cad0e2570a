"""What is done with a run: it paints, is exported, and shows its networks."""

import base64
import dataclasses
import html
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from pippin import engines
from pippin import export as exports
from pippin.engines.inference import Progress, no_progress
from pippin.errors import RunError, SettingsError
from pippin.networks import projector
from pippin.pictures import cycle_labels, one_hot, prepare_one_photo
from pippin.runs.folder import Folder
from pippin.sampling import mixing
from pippin.sampling.directions import Directions, find_directions
from pippin.sampling.edits import parse_naming
from pippin.sampling.generation import ImageGenerator, fingerprint
from pippin.sampling.inversion import STEPS, Found
from pippin.sampling.inversion import find as find_latent
from pippin.sampling.latents import closed_path, labels_between, latents_of, with_labels
from pippin.sampling.seeds import seeds_from
from pippin.show import diagram, film, grid, timeline

RUNTIME = "onnxruntime"
"""What paints on a processor where it can."""


class Run(Folder):
    """A run, opened. `pippin.train` makes one, `pippin.open_run` opens one; what lies in it: `pippin.runs.folder`.

    Attributes:
        path: the folder.
        settings: what it was made with.
        about: the rest of `settings.json`: source, reasons, engine, versions, fingerprint of the pictures.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self._generator: keras.Model | None = None
        self._backend: tuple[str, ImageGenerator] | None = None

    def __repr__(self) -> str:
        return f"Run('{self.path}', batch {self.batches:,}, {'finished' if self.finished else 'not finished'})"

    @property
    def generator(self) -> keras.Model:
        """The averaged generator, a Keras model: latents (B, latent_dim) → images in [−1, 1].

        It is the one whose pictures scored best; where there was no checkup, that of the last checkpoint.
        """
        if self._generator is None:
            self._generator = self.learnt("ema_generator")
        return self._generator

    def generate(self, latents: np.ndarray, progress: Progress = no_progress) -> np.ndarray:
        """Generate images from latents.

        Args:
            latents: float32 (N, latent_dim), with labels behind them if the run has labels; see
                `pippin.sampling.latents.with_labels`.
            progress: Called as `progress(done, total)`.

        Returns:
            uint8 (N, S, S, C): grey, RGB or RGBA.
        """
        return self._chosen_backend()[1](latents, progress)

    @property
    def backend(self) -> str:
        """What generates images: "onnxruntime" or the engine's name; see `use_backend`."""
        return self._chosen_backend()[0]

    def use_backend(self, name: str) -> None:
        """Choose what generates images from now on.

        Args:
            name: "onnxruntime" is the fastest on a processor and the default there, if it is installed and supports
                the generator's layers. Any other name stands for the engine.
        """
        self._backend = self._make_backend(name)

    def _chosen_backend(self) -> tuple[str, ImageGenerator]:
        if self._backend is None:
            on_processor = engines.current().device() == "CPU"
            self._backend = self._make_backend(RUNTIME if on_processor else "")
        return self._backend

    def _make_backend(self, name: str) -> tuple[str, ImageGenerator]:
        if name == RUNTIME and (forward := exports.onnx_forward(self.trained())):
            return RUNTIME, ImageGenerator(self.generator, forward)
        return engines.current().name, ImageGenerator(self.generator)

    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = 1.0,
        edits: Mapping[Any, float] | None = None,
        label: str | Sequence[str] | None = None,
        progress: Progress = no_progress,
    ) -> np.ndarray:
        """Paint new pictures. Each has a seed of its own that makes it, alone or beside others.

        Args:
            n: how many.
            seed: of the first one; the others have seed + 1, seed + 2, …
            seeds: of each picture, instead of `n` and `seed`.
            truncation: how far from the average picture, 0 to 2; see `pippin.sampling.latents.latents_of`.
            edits: name or number of a direction → how far to go, in deviations; see `directions`.
            label: of all pictures, or of each; None: each seed has one of the run's `labels`, in turn.
            progress: told how many are painted, of how many.

        Returns:
            uint8 (n, S, S, C): C is 1 (grey), 3 (RGB) or 4 (RGBA), as the pictures that it learnt from.

        Raises:
            SettingsError: `n`, a seed, `truncation` or an edit out of range, or no such label.
            RunError: the run has no checkpoint, or a damaged one.
        """
        chosen = seeds_from(seed, n) if seeds is None else seeds
        return self.generate(self.latents(chosen, truncation, edits, label), progress)

    def latents(
        self,
        seeds: Sequence[int],
        truncation: float = 1.0,
        edits: Mapping[Any, float] | None = None,
        label: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return what `sample` paints, labels behind: float32 (len(seeds), latent_dim). Args, errors: see there."""
        latents = self.edited(latents_of(seeds, self.latent_dim, truncation), edits)
        labels = self._labels_of(seeds, label)
        return with_labels(latents, labels) if self.labels else latents

    @property
    def latent_dim(self) -> int:
        """Numbers that each picture is painted from, beside its label."""
        return int(self.generator.input_shape[1]) - len(self.labels)

    def _labels_of(self, seeds: Sequence[int], label: str | Sequence[str] | None) -> np.ndarray:
        """Return the labels of pictures as the generator takes them, (N, labels); (N, 0) where it knows none."""
        if not self.labels:
            if label is not None:
                raise SettingsError(
                    f"This run knows no labels: it was trained without --labels. Received: label={label}"
                )
            return np.zeros((len(seeds), 0))
        if label is None:
            return one_hot(cycle_labels(seeds, len(self.labels)), len(self.labels))
        each = [label] * len(seeds) if isinstance(label, str) else list(label)
        if unknown := [name for name in each if name not in self.labels]:
            raise SettingsError(f"label must be one of {', '.join(self.labels)}. Received: label={unknown[0]}")
        if len(each) != len(seeds):
            raise SettingsError(
                f"Give one label, or one for each picture. Received: {len(each)} for {len(seeds)} pictures"
            )
        return one_hot([self.labels.index(name) for name in each], len(self.labels))

    def _without_labels(self, what: str) -> None:
        """Refuse what does not know labels."""
        if self.labels:
            raise SettingsError(f"{what} works with runs without labels only. Received: {self.path}")

    def picture(
        self,
        n: int = 64,
        seed: int = 0,
        *,
        seeds: Sequence[int] | None = None,
        truncation: float = 1.0,
        label: str | Sequence[str] | None = None,
        labels: bool = False,
        progress: Progress = no_progress,
    ) -> Image.Image:
        """Paint new pictures and lay them out in a grid, as `pippin sample` does.

        Args, errors: see `sample`; `labels` writes each picture's seed below it.

        Returns:
            A Pillow picture in RGB.
        """
        chosen = list(seeds_from(seed, n) if seeds is None else seeds)
        images = self.sample(seeds=chosen, truncation=truncation, label=label, progress=progress)
        return Image.fromarray(grid(images, labels=[str(one) for one in chosen] if labels else None))

    def walk(
        self,
        seeds: Sequence[int] = (),
        frames: int = 48,
        *,
        truncation: float = 1.0,
        label: str | Sequence[str] | None = None,
        latents: np.ndarray | None = None,
        progress: Progress = no_progress,
    ) -> np.ndarray:
        """Paint a smooth loop through at least two pictures, `frames` from each to the next.

        Args, errors: see `sample`; the path: see `pippin.sampling.latents.closed_path`.
            latents: float32 (L, latent_dim), such as found ones; they are passed before the seeds.

        Returns:
            uint8 ((L + len(seeds)) · frames, S, S, C). After the last comes the first again.
        """
        keys = []
        if latents is not None:
            self._without_labels("Walking from given latents")
            keys.append(np.asarray(latents, np.float32))
        if len(seeds) or not keys:
            keys.append(latents_of(seeds, self.latent_dim, truncation))
        path, labels = closed_path(np.concatenate(keys), frames), self._labels_of(seeds, label)
        if self.labels:
            path = with_labels(path, labels_between(labels, frames))
        return self.generate(path, progress)

    # -- finding, editing, mixing ----------------------------------------------------------------------------------

    def find(
        self, photo: str | os.PathLike[str] | np.ndarray, *, steps: int = STEPS, progress: Progress = no_progress
    ) -> Found:
        """Look for the latent from which this run paints a photograph.

        Args:
            photo: a picture file, prepared here as the run's own pictures were; or uint8 (S, S, 3), prepared already.
            steps: of the search.
            progress: told how far the work is.

        Returns:
            See `pippin.sampling.inversion.Found`: the latent, what is painted from it, and how near that came.

        Raises:
            SourceError: the photograph cannot be read.
            SettingsError: `steps` out of range, or an array of another shape.
            RunError: the run has no checkpoint, or a damaged one.
        """
        self._without_labels("Finding")
        if not isinstance(photo, np.ndarray):
            preparation = dataclasses.replace(self.preparation, channels=self.channels)
            photo = prepare_one_photo(photo, self.settings.image_size, preparation)
        return find_latent(self.generator, photo, self.load_anchors(), steps, progress)

    def directions(self, recompute: bool = False) -> Directions:
        """Return the directions in which this run's pictures can be edited, found when they are first asked for.

        Args:
            recompute: compute them again, without the names that they had.

        Raises:
            RunError: the run has trained on since they were named; or it is damaged, or cannot be written.
        """
        self._without_labels("Editing")
        known = None if recompute else self.load_directions()
        if known is not None and known.weights == fingerprint(self.generator):
            return known
        if known is not None and known.names:
            raise RunError(
                f"The run was trained further after its directions were named ({', '.join(known.names)}), and they may "
                "have changed; compute them again, without names, with `pippin directions --recompute`. "
                f"Received: {self.path}"
            )
        return self.save_directions(find_directions(self.generator))

    def name_direction(self, number: int, name: str) -> Directions:
        """Give a direction a name, kept in the run, which edits may use from then on.

        Raises:
            SettingsError: there is no such direction, or that can be no name.
            RunError: see `directions`.
        """
        parse_naming(f"{number}={name}")
        return self.save_directions(self.directions().named(number, name))

    def edited(self, latents: np.ndarray, edits: Mapping[Any, float] | None) -> np.ndarray:
        """Return latents (N, latent_dim) moved along directions; see `sample`."""
        return self.directions().apply(latents, edits) if edits else latents

    def mix(
        self,
        coarse: Sequence[int],
        fine: Sequence[int],
        *,
        side: int | None = None,
        truncation: float = 1.0,
        progress: Progress = no_progress,
    ) -> np.ndarray:
        """Paint each pair of a seed for the arrangement and a seed for the looks.

        Args:
            coarse, fine: seeds.
            side, progress: see `pippin.sampling.mixing.mix`.
            truncation: see `sample`.

        Returns:
            uint8 (len(coarse), len(fine), S, S, 3), RGB.

        Raises:
            NetworkError: the generator has no place between the two.
            SettingsError: a seed, `side` or `truncation` out of range.
        """
        self._without_labels("Mixing")
        arrangements, looks = (self.latents(seeds, truncation) for seeds in (coarse, fine))
        return mixing.mix(self.generator, arrangements, looks, side, progress)

    def timeline(self) -> Image.Image:
        """Return how the fixed latents' pictures grew, side by side, a Pillow picture in RGB.

        Raises:
            SettingsError: no moment of the run was kept yet.
        """
        moments = self.story()
        if not moments:
            raise SettingsError(f"No moment of the run was kept yet. Received: {self.path}")
        return timeline(moments)

    def film(self, fps: float = 24, seconds: float = 1.5) -> Iterator[np.ndarray]:
        """Give the frames of `pippin story`: the same pictures fading from moment to moment.

        Args, errors: see `pippin.show.film.film`.

        Yields:
            uint8 (H, W, 3), frames of one size; `pippin.show.save_video` writes them.
        """
        return film(self.story(), fps, seconds)

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

    def trained(self) -> exports.TrainedGenerator:
        """Return the generator, and what is known of it."""
        return exports.TrainedGenerator(
            name=self.path.resolve().name,
            generator=self.generator,
            settings=self.settings,
            about=self.about,
            batches=self.batches,
            seconds=self.seconds,
            best=self.best,
            audit=self.about_audit(),
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

    # -- in a notebook -------------------------------------------------------------------------------------------------

    def _repr_png_(self) -> bytes | None:
        """Show the latest pictures; nothing where there are none yet."""
        file = self.path / "latest.png"
        return file.read_bytes() if file.exists() else None

    def _repr_html_(self) -> str:
        """Show the latest pictures below what the run is."""
        rows = [
            ("run", f"{self.path}"),
            ("learns from", f"{self.about['source']}, {self.about['pictures']:,} pictures"),
            ("trained", f"{self.batches:,} batches, {self.seconds / 60:.1f} minutes"),
            ("state", "finished" if self.finished else "not finished; the same call goes on"),
        ]
        if self.best:
            rows.append(("best", f"batch {self.best[0]:,}, KID {self.best[1]:.4f}"))
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
        pictures = self._repr_png_()
        inline = f"data:image/png;base64,{base64.b64encode(pictures).decode()}" if pictures else ""
        return f"<table>{cells}</table>" + (f'<img alt="the latest pictures" src="{inline}">' if inline else "")

    def export_generator(self) -> Path:
        """Write `generator.keras`, the averaged generator for plain Keras, and return its path."""
        self._generator, self._backend = None, None  # a better state may have been kept since
        return self.export("keras")


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
