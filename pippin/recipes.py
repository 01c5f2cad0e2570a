"""What a picture file was made from, kept inside it, so that it can be made again."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import pippin
from pippin import engines, painting
from pippin.errors import RunError, SettingsError
from pippin.painting import Progress, silent
from pippin.run import Run, is_run, open_run
from pippin.seeds import format_seeds, parse_seeds
from pippin.show import NOTED, check_ending, grid, read_note, save_picture


@dataclass(frozen=True)
class Recipe:
    """What a picture, or a grid of them, is made from.

    Attributes:
        run: the run's folder, as a whole path.
        batches: that its weights were trained for.
        weights: fingerprint of the generator's weights.
        seeds: of the pictures in their order, as `pippin.seeds.format_seeds` writes them.
        truncation: see `pippin.painting.latents_of`.
        labels: whether the seeds stand below the pictures.
        curated: how the seeds were chosen; "" where nobody chose among the pictures.
        engine: that computed.
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
    engine: str = ""
    keras: str = ""
    pippin: str = ""
    label: str = ""

    @classmethod
    def of(
        cls,
        run: Run,
        seeds: list[int],
        truncation: float = 1.0,
        labels: bool = False,
        curated: str = "",
        label: str | None = None,
    ) -> "Recipe":
        """Return the recipe of pictures that are painted with a run as it is now."""
        return cls(
            run=str(run.path.resolve()),
            batches=painted_at(run),
            weights=painting.fingerprint(run.generator),
            seeds=format_seeds(seeds),
            truncation=truncation,
            labels=labels,
            curated=curated,
            engine=engines.current().name,
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

    def picture(self, run: Run, images: np.ndarray | None = None, progress: Progress = silent) -> np.ndarray:
        """Lay out the pictures, or paint them first where they are not given: uint8 (H, W, 3).

        A picture alone keeps its channels, so that a transparent one stays transparent.
        """
        seeds = parse_seeds(self.seeds)
        if images is None:
            label = self.label or None
            images = run.sample(seeds=seeds, truncation=self.truncation, label=label, progress=progress)
        if len(images) == 1 and not self.labels:
            return images[0]
        return grid(images, labels=[str(seed) for seed in seeds] if self.labels else None)

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
    progress: Progress = silent,
) -> Again:
    """Paint a picture again from what it says about itself.

    Args:
        picture: a file that `pippin sample` wrote.
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
    output = check_ending(output or picture.with_stem(f"{picture.stem}-again"), NOTED)
    if output.resolve() == picture.resolve():
        raise SettingsError(f"Name another file with -o, so that the first one stays. Received: {output}")
    if not is_run(run or recipe.run):
        where = "say where with --run" if run is None else "there is no run there"
        raise RunError(f"The run that painted it is not at {run or recipe.run}; {where}. Received: {picture}")
    opened = open_run(run or recipe.run)
    _check_weights(recipe, opened)
    save_picture(recipe.picture(opened, progress=progress), output, recipe.to_note())
    return Again(output, output.read_bytes() == picture.read_bytes(), _differences(recipe, picture, output))


def painted_at(run: Run) -> int:
    """Return how many batches the weights were trained for that a run paints with."""
    return run.best[0] if run.best else run.batches


def _check_weights(recipe: Recipe, run: Run) -> None:
    if painting.fingerprint(run.generator) == recipe.weights:
        return
    now = painted_at(run)
    if now == recipe.batches:
        raise RunError(f"This is another run than the one that painted it: its weights differ. Received: {run.path}")
    raise RunError(
        f"The run has trained on since, or is another one: the picture was painted at batch {recipe.batches:,}, and "
        f"the run now paints with batch {now:,}, whose weights differ. Received: {run.path}"
    )


def _differences(recipe: Recipe, picture: Path, output: Path) -> str:
    """Say what could make a difference."""
    found = []
    if picture.suffix.lower() != output.suffix.lower():
        found.append(f"the format was {picture.suffix}")
    for name, then, now in (
        ("the engine", recipe.engine, engines.current().name),
        ("Keras", recipe.keras, keras.__version__),
        ("Pippin", recipe.pippin, pippin.__version__),
    ):
        if then != now:
            found.append(f"{name} was {then}")
    return ", ".join(found)
