"""What a picture file was made from, kept inside it, so that it can be made again."""

import base64
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pippin
from pippin.engines.inference import Progress, no_progress
from pippin.errors import RunError, SettingsError
from pippin.runs.run import Run, is_run, open_run
from pippin.sampling.edits import format_edits, parse_edits
from pippin.sampling.generation import fingerprint
from pippin.sampling.seeds import format_seeds, parse_seeds
from pippin.show import NOTE_SUFFIXES, check_suffix, grid, read_note, save_picture, titled_rows


@dataclass(frozen=True)
class Recipe:
    """What a picture, or a grid of them, is made from.

    Attributes:
        run: the run's folder, as a whole path.
        batches: that its weights were trained for.
        weights: fingerprint of the generator's weights.
        seeds: of the pictures in their order, as `pippin.sampling.seeds.format_seeds` writes them.
        truncation: see `pippin.sampling.latents.latents_of`.
        labels: whether the seeds stand below the pictures.
        curated: how the seeds were chosen; "" where nobody chose among the pictures.
        edits: what was done to the latents, with numbers of directions; see `pippin.sampling.edits.format_edits`.
        latents: where they come from no seeds but were found: float32, little-endian, in base64.
        fine: where pictures were mixed, the seeds of their looks; `seeds` are those of their arrangement.
        side: of the maps from which on they were.
        engine: that painted, or "onnxruntime"; see `Run.use_backend`.
        keras: its version.
        pippin: its version.
        label: what kind of picture was asked for; "" for each seed's own.
    """

    run: str
    batches: int
    weights: str
    seeds: str
    truncation: float = 1.0
    labels: bool = False
    curated: str = ""
    edits: str = ""
    latents: str = ""
    fine: str = ""
    side: int = 0
    engine: str = ""
    keras: str = ""
    pippin: str = ""
    label: str = ""

    @classmethod
    def of(
        cls,
        run: Run,
        seeds: Sequence[int] = (),
        truncation: float = 1.0,
        labels: bool = False,
        curated: str = "",
        label: str | None = None,
        *,
        edits: Mapping[Any, float] | None = None,
        latents: np.ndarray | None = None,
        fine: Sequence[int] = (),
        side: int = 0,
    ) -> "Recipe":
        """Return the recipe of pictures that are painted with a run as it is now.

        Args:
            run, seeds, truncation, labels, curated, label: see `Recipe`.
            edits: see `Run.sample`.
            latents: float32 (N, latent_dim), instead of seeds.
            fine, side: see `Recipe`.
        """
        return cls(
            run=str(run.path.resolve()),
            batches=run.folder.generator_batches,
            weights=fingerprint(run.generator),
            seeds=format_seeds(seeds),
            truncation=truncation,
            labels=labels,
            curated=curated,
            edits=format_edits(run.directions().numbered(edits)) if edits else "",
            latents="" if latents is None else base64.b64encode(np.asarray(latents, "<f4").tobytes()).decode(),
            fine=format_seeds(fine),
            side=side,
            engine=run.backend,
            keras=keras.__version__,
            pippin=pippin.__version__,
            label=label or "",
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Recipe":
        """Read the recipe in a picture file.

        Raises:
            SettingsError: there is no such picture, or it holds no recipe, or one that this Pippin does not know.
        """
        note = read_note(path)
        try:
            fields = json.loads(note) if note else None
            if not isinstance(fields, dict) or "weights" not in fields:
                raise SettingsError(f"This picture does not say how it was made, or not to Pippin. Received: {path}")
            return cls(**fields)
        except (ValueError, TypeError) as problem:
            if isinstance(problem, SettingsError):
                raise
            raise SettingsError(f"The picture's recipe is damaged, or of a newer Pippin. Received: {path}") from None

    def to_note(self) -> str:
        """Return it as a line of JSON in ASCII, which every format of pictures can hold."""
        return json.dumps(dataclasses.asdict(self))

    def check(self, run: Run) -> None:
        """Raise a `RunError` unless a run still has the weights that it painted the pictures with."""
        if fingerprint(run.generator) == self.weights:
            return
        now = run.folder.generator_batches
        if now == self.batches:
            raise RunError(
                f"This is another run than the one that painted it: its weights differ. Received: {run.path}"
            )
        raise RunError(
            f"The run has trained on since, or is another one: the picture was painted at batch {self.batches:,}, and "
            f"the run now paints with batch {now:,}, whose weights differ. Received: {run.path}"
        )

    def edited(self, run: Run, edits: Mapping[Any, float]) -> "Recipe":
        """Return the recipe of the same pictures with more edits, as a run paints them now; see `Run.sample`."""
        together: Counter[Any] = Counter(self._edits())
        together.update(run.directions().numbered(edits) if edits else {})
        now = Recipe.of(run, (), self.truncation, self.labels, self.curated, self.label, edits=together)
        return dataclasses.replace(now, seeds=self.seeds, latents=self.latents, fine=self.fine, side=self.side)

    def painted_from(self, run: Run) -> np.ndarray:
        """Return the latents of the pictures: float32 (N, latent_dim).

        Raises:
            SettingsError: they were mixed of two each, or the recipe is damaged.
        """
        if self.fine:
            raise SettingsError("A mixed picture has two latents and not one; give --from a picture that has one.")
        if not self.latents:
            return run.latents(parse_seeds(self.seeds), self.truncation, self._edits(), self.label or None)
        try:
            kept = np.frombuffer(base64.b64decode(self.latents), "<f4").reshape(-1, run.generator.input_shape[1])
        except ValueError:
            raise SettingsError(f"The latents in the picture's recipe are damaged. Received: {run.path}") from None
        return run.edited(kept, self._edits())

    def picture(self, run: Run, images: np.ndarray | None = None, progress: Progress = no_progress) -> np.ndarray:
        """Lay out the pictures, or paint them first where they are not given: uint8 (H, W, 3).

        A picture alone keeps its channels, so that a transparent one stays transparent.
        """
        if self.fine:
            return self._mixed(run, images, progress)
        if images is None:
            images = run.generate(self.painted_from(run), progress)
        if len(images) == 1 and not self.labels:
            return images[0]
        return grid(images, labels=[str(seed) for seed in parse_seeds(self.seeds)] if self.labels else None)

    def _mixed(self, run: Run, images: np.ndarray | None, progress: Progress) -> np.ndarray:
        """Lay mixed pictures (C, F, S, S, 3) out beside those of the coarse seeds and below those of the fine ones."""
        coarse, fine = parse_seeds(self.seeds), parse_seeds(self.fine)
        if images is None:
            images = run.mix(coarse, fine, side=self.side, truncation=self.truncation, progress=progress)
        left, above = (run.sample(seeds=seeds, truncation=self.truncation) for seeds in (coarse, fine))
        corner = np.full_like(above[:1], 255)
        rows = np.concatenate([left[:, None], images], axis=1)
        headings = ["", *(f"looks {seed}" for seed in fine)]
        titles = ["", *(f"arrangement {seed}" for seed in coarse)]
        return titled_rows(np.concatenate([np.concatenate([corner, above])[None], rows]), titles, headings)

    def _edits(self) -> dict[str, float]:
        return parse_edits(self.edits.split(",")) if self.edits else {}

    def save(self, path: str | os.PathLike[str], run: Run, images: np.ndarray | None = None) -> Path:
        """Write the picture with this recipe inside, and return its path."""
        return save_picture(self.picture(run, images), path, self.to_note())


@dataclass(frozen=True)
class Again:
    """What `again` did.

    Attributes:
        path: of the new picture.
        same: whether both files are the same to the byte.
        why: what differs from when the first one was painted, in words; "" where nothing is known to.
    """

    path: Path
    same: bool
    why: str


def again(
    picture: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    run: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
) -> Again:
    """Paint a picture again from what it says about itself.

    Args:
        picture: a file that `pippin sample`, `find` or `mix` wrote.
        output: where to; NAME-again beside it where it is None.
        run: the run's folder, where it has moved since.
        progress: told how many pictures are painted, of how many.

    Returns:
        An `Again`.

    Raises:
        SettingsError: the picture is not there or holds no recipe, or the output would be written over it.
        RunError: the run is not there, or has other weights now.
    """
    picture = Path(picture)
    recipe = Recipe.read(picture)
    output = check_suffix(output or picture.with_stem(f"{picture.stem}-again"), NOTE_SUFFIXES)
    if output.resolve() == picture.resolve():
        raise SettingsError(f"Name another file with -o, so that the first one stays. Received: {output}")
    if not is_run(run or recipe.run):
        where = "say where with --run" if run is None else "there is no run there"
        raise RunError(f"The run that painted it is not at {run or recipe.run}; {where}. Received: {picture}")
    opened = open_run(run or recipe.run)
    recipe.check(opened)
    opened.use_backend(recipe.engine)
    save_picture(recipe.picture(opened, progress=progress), output, recipe.to_note())
    return Again(output, output.read_bytes() == picture.read_bytes(), _differences(recipe, opened, picture, output))


def _differences(recipe: Recipe, opened: Run, picture: Path, output: Path) -> str:
    """Say what could make a difference."""
    found = []
    if picture.suffix.lower() != output.suffix.lower():
        found.append(f"the format was {picture.suffix}")
    for name, then, now in (
        ("the painter", recipe.engine, opened.backend),
        ("Keras", recipe.keras, keras.__version__),
        ("Pippin", recipe.pippin, pippin.__version__),
    ):
        if then != now:
            found.append(f"{name} was {then}")
    return ", ".join(found)
