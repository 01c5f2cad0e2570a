"""`Run`: a trained generator on disk, and what a user does with it."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from pippin import export as exports
from pippin.engines.inference import Progress, no_progress
from pippin.errors import RunError, SettingsError
from pippin.host.own_files import require_own
from pippin.pictures import prepare_one_photo
from pippin.runs.backend import default_backend, make_backend, trained_generator
from pippin.runs.documents import SETTINGS
from pippin.runs.record import RunRecord
from pippin.sampling import mixing
from pippin.sampling.directions import Directions, find_directions
from pippin.sampling.edits import parse_naming
from pippin.sampling.generation import ImageGenerator, fingerprint
from pippin.sampling.inversion import STEPS, Inversion, invert
from pippin.sampling.latents import check_latents, closed_path, label_vectors, labels_between, latents_of, with_labels
from pippin.sampling.seeds import seeds_from
from pippin.show import grid


class Run(RunRecord):
    """A run on disk. `pippin.train` makes one, and `pippin.open_run` opens one.

    Args:
        path: the folder of the run.

    Attributes:
        folder: the files of the run, which training writes.

    Raises:
        RunError: the run is damaged, or of a newer Pippin.
    """

    def __init__(self, path: str | os.PathLike[str]):
        super().__init__(path)
        self._generator: keras.Model | None = None
        self._backend: tuple[str, ImageGenerator] | None = None

    # -- generating images ---------------------------------------------------------------------------------------------

    @property
    def generator(self) -> keras.Model:
        """The averaged generator, a Keras model: latents (B, latent_dim), labels appended → images in [−1, 1].

        Its weights are those of the checkpoint with the lowest KID, or of the last one if there was no checkup.
        """
        if self._generator is None:
            self._generator = self.folder.load_network("ema_generator")
        return self._generator

    @property
    def backend(self) -> str:
        """The image backend: "onnxruntime" or the engine's name; see `use_backend`."""
        return self._chosen_backend()[0]

    def use_backend(self, name: str) -> None:
        """Choose what generates images from now on.

        Args:
            name: "onnxruntime" is the fastest on a CPU and the default there, if it is installed and supports the
                generator's layers. Any other name stands for the engine.
        """
        self._backend = make_backend(self, name)

    def _chosen_backend(self) -> tuple[str, ImageGenerator]:
        if self._backend is None:
            self._backend = make_backend(self, default_backend())
        return self._backend

    @property
    def latent_dim(self) -> int:
        """Length of a latent, without its label."""
        return int(self.generator.input_shape[1]) - len(self.labels)

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
        """Generate new images. Each has its own seed, which alone determines it.

        Args:
            n: number of images, from 1.
            seed: seed of the first image, from 0 to 2⁶³ − 1; the others have seed + 1, seed + 2, …
            seeds: the seed of each image, instead of `n` and `seed`.
            truncation: ψ, from 0 (every image is the mean image) to 2; see `pippin.sampling.latents.latents_of`.
            edits: name or number of a direction → strength in standard deviations, −20 to 20; see `directions`.
            label: the label of all images, or one label per image. By default each seed has one of the run's `labels`,
                in turn.
            progress: Called as `progress(done, total)` with the number of images.

        Returns:
            uint8 (n, S, S, C): C is 1 (grey), 3 (RGB) or 4 (RGBA), as in the training images.

        Raises:
            SettingsError: an argument has the wrong type or is out of range, or there is no such label or direction.
            RunError: the run has no checkpoint, or a damaged one.
        """
        seeds = seeds_from(seed, n) if seeds is None else seeds
        return self.generate(self.latents(seeds, truncation, edits, label), progress)

    def latents(
        self,
        seeds: Sequence[int],
        truncation: float = 1.0,
        edits: Mapping[Any, float] | None = None,
        label: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return the generator's inputs for seeds: float32 (len(seeds), latent_dim + len(labels)).

        For the arguments and errors see `sample`.
        """
        latents = self.edited(latents_of(seeds, self.latent_dim, truncation), edits)
        return with_labels(latents, label_vectors(self.labels, seeds, label))

    def generate(self, latents: np.ndarray, progress: Progress = no_progress) -> np.ndarray:
        """Generate images from latents.

        Args:
            latents: float32 (N, latent_dim + len(labels)); labels are one-hot and come last, see
                `pippin.sampling.latents.with_labels`.
            progress: Called as `progress(done, total)` with the number of images.

        Returns:
            uint8 (N, S, S, C): grey, RGB or RGBA.

        Raises:
            SettingsError: the latents have another shape.
            RunError: the run has no checkpoint, or a damaged one.
        """
        latents = check_latents(latents, self.generator.input_shape[1])
        return self._chosen_backend()[1](latents, progress)

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
        """Generate new images and arrange them in a grid, as `pippin sample` does.

        Args:
            n, seed, seeds, truncation, label, progress: see `sample`, also for the errors.
            labels: whether to write each image's seed below it.

        Returns:
            A Pillow image in RGB.
        """
        seeds = list(seeds_from(seed, n) if seeds is None else seeds)
        images = self.sample(seeds=seeds, truncation=truncation, label=label, progress=progress)
        return Image.fromarray(grid(images, labels=[str(seed) for seed in seeds] if labels else None))

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
        """Generate a smooth loop through at least two images; see `pippin.sampling.latents.closed_path`.

        Args:
            seeds, truncation, label, progress: see `sample`, also for the errors.
            frames: number of frames from one image to the next, from 1.
            latents: float32 (L, latent_dim), for example from `find`. The loop passes them before the seeds. Only for
                runs without labels.

        Returns:
            uint8 ((L + len(seeds)) · frames, S, S, C). The first frame follows the last one.
        """
        keys = []
        if latents is not None:
            self._require_no_labels("Walking from given latents")
            keys.append(check_latents(latents, self.latent_dim))
        if len(seeds) or not keys:
            keys.append(latents_of(seeds, self.latent_dim, truncation))
        path, labels = closed_path(np.concatenate(keys), frames), label_vectors(self.labels, seeds, label)
        return self.generate(with_labels(path, labels_between(labels, frames)) if self.labels else path, progress)

    def _require_no_labels(self, what: str) -> None:
        """Raise a `SettingsError` if the run has labels."""
        if self.labels:
            raise SettingsError(f"{what} works with runs without labels only. Received: {self.path}")

    # -- inversion, editing, mixing ------------------------------------------------------------------------------------

    def find(
        self, photo: str | os.PathLike[str] | np.ndarray, *, steps: int = STEPS, progress: Progress = no_progress
    ) -> Inversion:
        """Find the latent whose generated image is nearest to a photo (GAN inversion).

        Args:
            photo: a picture file, which is prepared as the training images were; or a prepared image, uint8 (S, S, 3).
            steps: optimisation steps, from 1.
            progress: Called as `progress(done, total)` with the number of steps.

        Returns:
            See `pippin.sampling.inversion.Inversion`.

        Raises:
            SourceError: the photo cannot be read.
            SettingsError: `steps` is out of range, the array has another shape or type, or the run has labels.
            RunError: the run has no checkpoint, or a damaged one.
        """
        self._require_no_labels("Finding")
        if not isinstance(photo, np.ndarray):
            preparation = dataclasses.replace(self.folder.preparation, channels=self.channels)
            photo = prepare_one_photo(photo, self.settings.image_size, preparation)
        return invert(self.generator, photo, self.folder.load_anchors(), steps, progress)

    def directions(self, recompute: bool = False) -> Directions:
        """Return the run's editing directions. They are computed when they are first asked for, and saved in the run.

        Args:
            recompute: whether to compute them again, which discards their names.

        Raises:
            SettingsError: the run has labels.
            RunError: the run was trained further after its directions were named; or it is damaged or not writable.
        """
        self._require_no_labels("Editing")
        known = None if recompute else self.folder.load_directions()
        if known is not None and known.vectors.shape[1] != self.latent_dim:
            raise RunError(
                f"directions.json holds vectors of {known.vectors.shape[1]} numbers, and this run's latents have "
                f"{self.latent_dim}; compute them again with `pippin directions --recompute`. Received: {self.path}"
            )
        if known is not None and known.weights == fingerprint(self.generator):
            return known
        if known is not None and known.names:
            raise RunError(
                f"The run was trained further after its directions were named ({', '.join(known.names)}), and they may "
                "have changed; compute them again, without names, with `pippin directions --recompute`. "
                f"Received: {self.path}"
            )
        return self.folder.save_directions(find_directions(self.generator))

    def name_direction(self, number: int, name: str) -> Directions:
        """Name a direction, so that edits can use the name. The name is saved in the run.

        Raises:
            SettingsError: there is no such direction, or the name is not valid.
            RunError: see `directions`.
        """
        parse_naming(f"{number}={name}")
        return self.folder.save_directions(self.directions().named(number, name))

    def edited(self, latents: np.ndarray, edits: Mapping[Any, float] | None) -> np.ndarray:
        """Return latents (N, latent_dim), moved along directions; for `edits` see `sample`."""
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
        """Generate an image for each pair of seeds, with the layout of one seed and the style of the other.

        Args:
            coarse: seeds of the layouts.
            fine: seeds of the styles.
            side: resolution from which on feature maps get the other style; see `pippin.sampling.mixing.mix`.
            truncation, progress: see `sample`.

        Returns:
            uint8 (len(coarse), len(fine), S, S, 3), RGB.

        Raises:
            NetworkError: the generator has no upsampling layer.
            SettingsError: an argument has the wrong type or is out of range, or the run has labels.
        """
        self._require_no_labels("Mixing")
        layouts, styles = (self.latents(seeds, truncation) for seeds in (coarse, fine))
        return mixing.mix(self.generator, layouts, styles, side, progress)

    # -- files for elsewhere -------------------------------------------------------------------------------------------

    def export(self, to: str, path: str | os.PathLike[str] | None = None) -> Path:
        """Export the generator.

        Args:
            to: "keras", "onnx", "web", "huggingface" or "tflite".
            path: the file to write, or the folder for "web" and "huggingface". By default it is in the run's folder.

        Returns:
            The path.

        Raises:
            ExportError: see `pippin.export.export`.
            RunError: the run has no checkpoint, or a damaged one.
        """
        path = require_own(self.path / exports.default_name(to)) if path is None else path
        return exports.export(trained_generator(self), to, path)


def is_run(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder holds a run."""
    try:
        return os.path.lexists(Path(path) / SETTINGS)
    except ValueError:  # a name that no file can have
        return False


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run on disk, finished or not.

    Args:
        path: the folder of the run.

    Returns:
        The run.

    Raises:
        RunError: there is no run, or it is damaged.
    """
    if not is_run(path):
        raise RunError(f"There is no run there; `pippin train` makes one. Received: {path}")
    return Run(path)
