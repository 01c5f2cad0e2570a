"""Provenance: how a picture file was generated, stored inside it, so that it can be generated again."""

import base64
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

import pippin
from pippin.engines.inference import Progress, no_progress
from pippin.errors import RunError, SettingsError
from pippin.runs.documents import ProvenanceNote, checked, parse
from pippin.runs.run import Run, is_run, open_run
from pippin.sampling.edits import format_edits, parse_edits
from pippin.sampling.generation import fingerprint
from pippin.sampling.seeds import format_seeds, parse_seeds
from pippin.show import NOTE_SUFFIXES, check_suffix, grid, read_note, save_picture, titled_rows

MAX_IMAGES = 1024
"""Largest number of images that `again` generates without being asked for more: a grid of 32 × 32."""


@dataclass(frozen=True, eq=False)
class Provenance:
    """How one generated image, or a grid of them, was generated. Two are equal if their notes are.

    Attributes:
        run: the run's folder, an absolute path.
        batches: number of batches for which the generator was trained.
        weights: fingerprint of the generator's weights; see `pippin.sampling.generation.fingerprint`.
        seeds: the seeds of the images, in their order; empty if `latents` are given. For mixed images, the seeds of the
            layouts.
        truncation: ψ; see `pippin.sampling.latents.latents_of`.
        labels: whether the seeds are written below the images.
        curated: how the seeds were chosen, in one sentence; "" if they were not curated.
        edits: number of a direction → strength, in standard deviations.
        latents: float32 (N · latent_dim,), flattened, for images that do not come from seeds; None if they do.
        fine: for mixed images, the seeds of the styles; empty otherwise.
        side: for mixed images, the resolution from which on feature maps have the other style; None otherwise.
        engine: the image backend: the engine's name or "onnxruntime"; see `Run.use_backend`.
        keras: version of Keras.
        pippin: version of Pippin.
        label: the label of all images; None if each seed had its own.
        generator: fingerprint of the generator's architecture and weights in the run's files, which is compared before
            the network is built; "" in older pictures. See `pippin.runs.folder.Folder.generator_fingerprint`.
    """

    run: str
    batches: int
    weights: str
    seeds: tuple[int, ...] = ()
    truncation: float = 1.0
    labels: bool = False
    curated: str = ""
    edits: Mapping[int, float] = field(default_factory=dict)
    latents: np.ndarray | None = None
    fine: tuple[int, ...] = ()
    side: int | None = None
    engine: str = ""
    keras: str = ""
    pippin: str = ""
    label: str | None = None
    generator: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Provenance) and self.to_note() == other.to_note()

    def __hash__(self) -> int:
        return hash(self.to_note())

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
        side: int | None = None,
    ) -> "Provenance":
        """Return the provenance of images that a run generates now.

        Args:
            run: the run.
            seeds, truncation, labels, curated, label, fine, side: see `Provenance`.
            edits: name or number of a direction → strength; see `Run.sample`.
            latents: float32 (N, latent_dim), instead of seeds.
        """
        return cls(
            run=str(run.path.resolve()),
            batches=run.folder.generator_batches,
            weights=fingerprint(run.generator),
            seeds=tuple(int(seed) for seed in seeds),
            truncation=truncation,
            labels=labels,
            curated=curated,
            edits=run.directions().numbered(edits) if edits else {},
            latents=None if latents is None else np.asarray(latents, np.float32).ravel(),
            fine=tuple(int(seed) for seed in fine),
            side=side,
            engine=run.backend,
            keras=keras.__version__,
            pippin=pippin.__version__,
            label=label,
            generator=run.folder.generator_fingerprint(),
        )

    # -- the note in a picture file ------------------------------------------------------------------------------------

    def to_note(self) -> str:
        """Return the provenance as one line of JSON in ASCII, which every picture format can store."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        texts = {
            "seeds": format_seeds(self.seeds),
            "edits": format_edits({str(number): strength for number, strength in self.edits.items()}),
            "latents": "" if self.latents is None else base64.b64encode(self.latents.astype("<f4").tobytes()).decode(),
            "fine": format_seeds(self.fine),
            "side": self.side or 0,
            "label": self.label or "",
        }
        note = {**fields, **texts}
        return json.dumps(note if self.generator else {name: note[name] for name in note if name != "generator"})

    @classmethod
    def from_note(cls, note: str) -> "Provenance":
        """Return the provenance that `to_note` wrote, in this version of Pippin or an earlier one.

        Raises:
            ValueError: the note is damaged or of a newer Pippin.
        """
        values = checked(parse(note), ProvenanceNote)
        for name in ("seeds", "fine"):
            values[name] = tuple(parse_seeds(text)) if (text := values.get(name)) else ()
        edits, latents = values.get("edits"), values.get("latents")
        values["edits"] = {int(number): s for number, s in parse_edits(edits.split(",")).items()} if edits else {}
        values["latents"] = np.frombuffer(base64.b64decode(latents, validate=True), "<f4") if latents else None
        provenance = cls(**{**values, "side": values.get("side") or None, "label": values.get("label") or None})
        provenance._check()
        return provenance

    def _check(self) -> None:
        """Raise a `ValueError` if the values contradict each other, as Pippin never wrote them."""
        if bool(self.seeds) == (self.latents is not None):
            raise ValueError("there must be either seeds or latents")
        if self.latents is not None and (self.fine or self.labels or not np.isfinite(self.latents).all()):
            raise ValueError("the latents are not finite, or do not go with mixing or labels")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Provenance":
        """Read the provenance in a picture file.

        Raises:
            SettingsError: there is no such picture, or it has no provenance, or one that this Pippin does not know.
        """
        note = read_note(path)
        if not note:
            raise SettingsError(f"This picture does not say how Pippin generated it. Received: {path}")
        try:
            return cls.from_note(note)
        except ValueError as problem:
            why = " ".join(str(problem).split())[:120]
            raise SettingsError(
                f"The provenance in the picture is damaged, or of a newer Pippin ({why}). Received: {path}"
            ) from None

    def check_count(self, run: Run, most: int, advice: str) -> None:
        """Raise a `SettingsError` if the picture consists of more than `most` images. A note may name any number."""
        count = len(self.seeds) * len(self.fine) + len(self.seeds) + len(self.fine) if self.fine else len(self.seeds)
        if self.latents is not None:
            count = self.latents.size // run.settings.latent_dim
        if count > most:
            raise SettingsError(
                f"The picture consists of {count:,} images, and at most {most:,} are generated without asking; "
                f"{advice}. Received: {run.path}"
            )

    # -- generating the same images ------------------------------------------------------------------------------------

    def check_weights(self, run: Run) -> None:
        """Raise a `RunError` unless a run's generator is the one that generated the picture.

        Its files are compared before the network is built; older pictures only have the fingerprint of its weights.
        """
        if self.generator and run.folder.generator_fingerprint() != self.generator:
            raise RunError(self._other_generator(run))
        if fingerprint(run.generator) != self.weights:
            raise RunError(self._other_generator(run))

    def _other_generator(self, run: Run) -> str:
        """Return the message for a run whose generator is another one."""
        now = run.folder.generator_batches
        if now == self.batches:
            return f"This is not the run that generated the picture: its weights differ. Received: {run.path}"
        return (
            f"The run was trained further, or is another one: the picture was generated at batch {self.batches:,}, and "
            f"the run's generator is now of batch {now:,}, with other weights. Received: {run.path}"
        )

    def edited(self, run: Run, edits: Mapping[Any, float]) -> "Provenance":
        """Return the provenance of the same images with further edits, generated by a run as it is now.

        Args:
            run: the run.
            edits: name or number of a direction → strength; see `Run.sample`. They are added to the present ones.
        """
        total = Counter(self.edits)
        total.update(run.directions().numbered(edits) if edits else {})
        now = Provenance.of(run, (), self.truncation, self.labels, self.curated, self.label, edits=total)
        return dataclasses.replace(now, seeds=self.seeds, latents=self.latents, fine=self.fine, side=self.side)

    def generator_inputs(self, run: Run) -> np.ndarray:
        """Return the generator's inputs for the images: float32 (N, latent_dim + labels).

        Raises:
            SettingsError: the images are mixed from two latents each, or the latents do not fit the run.
        """
        if self.fine:
            raise SettingsError("A mixed picture has two latents, not one; give --from a picture that is not mixed.")
        if self.latents is None:
            return run.latents(self.seeds, self.truncation, self.edits, self.label)
        latent_dim = run.generator.input_shape[1]
        if self.latents.size % latent_dim:
            raise SettingsError(
                f"The latents in the picture do not fit the run, which has {latent_dim} numbers per latent. "
                f"Received: {self.latents.size} numbers"
            )
        return run.edited(self.latents.reshape(-1, latent_dim), self.edits)

    def render(self, run: Run, images: np.ndarray | None = None, progress: Progress = no_progress) -> np.ndarray:
        """Return the picture: one image with its channels, or a grid of several in RGB.

        Args:
            run: the run.
            images: uint8 (N, S, S, C), the images if they have been generated already; for mixed images
                (C, F, S, S, 3).
            progress: Called as `progress(done, total)` with the number of images.

        Returns:
            uint8 (H, W, C).
        """
        if self.fine:
            return self._render_mixed(run, images, progress)
        if images is None:
            images = run.generate(self.generator_inputs(run), progress)
        if len(images) == 1 and not self.labels:
            return images[0]
        return grid(images, labels=[str(seed) for seed in self.seeds] if self.labels else None)

    def _render_mixed(self, run: Run, images: np.ndarray | None, progress: Progress) -> np.ndarray:
        """Return a table of mixed images, with the layouts' images on the left and the styles' images on top."""
        if images is None:
            images = run.mix(self.seeds, self.fine, side=self.side, truncation=self.truncation, progress=progress)
        left, top = (run.sample(seeds=seeds, truncation=self.truncation) for seeds in (self.seeds, self.fine))
        corner = np.full_like(top[:1], 255)
        rows = np.concatenate([left[:, None], images], axis=1)
        headings = ["", *(f"style {seed}" for seed in self.fine)]
        titles = ["", *(f"layout {seed}" for seed in self.seeds)]
        return titled_rows(np.concatenate([np.concatenate([corner, top])[None], rows]), titles, headings)

    def save(self, path: str | os.PathLike[str], run: Run, images: np.ndarray | None = None) -> Path:
        """Write the picture with this provenance inside, and return its path; for the arguments see `render`."""
        return save_picture(self.render(run, images), path, self.to_note())


@dataclass(frozen=True)
class Regenerated:
    """The result of `again`.

    Attributes:
        path: the new picture.
        same: whether both files have the same bytes.
        differences: known differences from when the first picture was generated, in words; "" if there are none.
    """

    path: Path
    same: bool
    differences: str


def again(
    picture: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    run: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
    max_images: int | None = None,
) -> Regenerated:
    """Generate a picture again from the provenance inside it.

    A picture may come from anyone, so a run outside the current folder is opened only if `run` names it.

    Args:
        picture: a file that `pippin sample`, `find` or `mix` wrote.
        output: the file to write. The default is NAME-again beside the picture.
        run: the run's folder, if it was moved or is outside the current folder.
        progress: Called as `progress(done, total)` with the number of images.
        max_images: largest number of images to generate; None means `MAX_IMAGES`.

    Returns:
        See `Regenerated`.

    Raises:
        SettingsError: the picture is missing, has no provenance or consists of too many images, or the output is the
            picture itself.
        RunError: the run is missing or outside the current folder, or its generator has other weights now.
    """
    picture = Path(picture)
    provenance = Provenance.read(picture)
    output = check_suffix(output or picture.with_stem(f"{picture.stem}-again"), NOTE_SUFFIXES)
    if output.resolve() == picture.resolve():
        raise SettingsError(f"The output would replace the picture; name another file with -o. Received: {output}")
    path = run or provenance.run
    if run is None and not _is_below_current_folder(provenance.run):
        raise RunError(
            "The picture names a run outside the current folder, and a picture may come from anyone; if you know the "
            f"run, name it with --run. Received: {provenance.run}"
        )
    if not is_run(path):
        where = "say where it is with --run" if run is None else "there is no run there"
        raise RunError(f"The run that generated the picture is not at {path}; {where}. Received: {picture}")
    opened = open_run(path)
    most = MAX_IMAGES if max_images is None else max_images
    provenance.check_count(opened, most, "allow more with --max-images")
    provenance.check_weights(opened)
    opened.use_backend(provenance.engine)
    save_picture(provenance.render(opened, progress=progress), output, provenance.to_note())
    same = output.read_bytes() == picture.read_bytes()
    return Regenerated(output, same, _differences(provenance, opened, picture, output))


def _is_below_current_folder(path: str) -> bool:
    """Return whether a path is in the current folder or a folder below it, after following links."""
    try:
        return Path(path).resolve().is_relative_to(Path.cwd().resolve())
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or a loop of links
        return False


def _differences(provenance: Provenance, run: Run, picture: Path, output: Path) -> str:
    """Return the differences that may make the two files differ, in words."""
    differences = []
    if picture.suffix.lower() != output.suffix.lower():
        differences.append(f"the format was {picture.suffix}")
    for name, before, now in (
        ("the image backend", provenance.engine, run.backend),
        ("Keras", provenance.keras, keras.__version__),
        ("Pippin", provenance.pippin, pippin.__version__),
    ):
        if before != now:
            differences.append(f"{name} was {before}")
    return ", ".join(differences)
