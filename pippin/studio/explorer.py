"""Tasks of the worker that generates images: it keeps the last two generators, and loads one again when it changed."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pippin
from pippin.errors import RunError
from pippin.host.files import run_errors
from pippin.host.own_files import read_own, require_own
from pippin.runs.folder import Folder
from pippin.runs.nearest import nearest_training_images
from pippin.runs.provenance import Provenance
from pippin.runs.run import Run
from pippin.sampling.directions import Directions, find_directions
from pippin.sampling.inversion import STEPS
from pippin.sampling.latents import closed_path, labels_between
from pippin.studio.sheets import encoded

Progress = Callable[[int, int], None]

GENERATORS = 2
"""Number of generators that are kept in memory, so that two runs can be compared."""


class LatestFolder(Folder):
    """The files of a run, of which the last checkpoint is used, and not the best one."""

    @property
    def _generator_states(self) -> list[Path]:
        return self._checkpoints

    @property
    def generator_batches(self) -> int:
        """Number of batches for which the weights were trained."""
        return self.batches


class LatestRun(Run):
    """A run with the weights of its last checkpoint. Its directions are those that are stored, if there are any."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.folder: Folder = LatestFolder(path)

    def directions(self, recompute: bool = False) -> Directions:
        """Return the stored directions, or compute them without storing them."""
        self._require_no_labels("Editing")
        known = self.folder.load_directions()
        fits = known is not None and known.vectors.shape[1] == self.latent_dim
        return known if known is not None and fits else find_directions(self.generator)


_opened: OrderedDict[tuple[str, str], tuple[Any, Run]] = OrderedDict()


def _open(path: str, which: str) -> Run:
    """Return a run with its generator, opened again if its weights changed."""
    key = path, which
    stamp = [_stamp(Path(path) / name) for name in ("best.safetensors", "checkpoint.safetensors", "generator.json")]
    if which == "best" and stamp[0] is not None:
        stamp[1] = None
    known = _opened.pop(key, None)
    if known is None or known[0] != stamp:
        pippin.open_run(path)  # reports what is wrong
        known = stamp, Run(path) if which == "best" else LatestRun(Path(path))
    _opened[key] = known
    while len(_opened) > GENERATORS:
        _opened.popitem(last=False)
    return known[1]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _inputs(run: Run, position: dict[str, Any]) -> np.ndarray:
    """Return the generator's input for a position: float32 (latent_dim + labels,)."""
    if position.get("between"):
        first, second = (_inputs(run, each) for each in position["between"])
        return _between(first, second, position["t"], run.latent_dim)
    edits = position.get("edits") or None
    if position.get("found"):
        latents = Provenance.read(_found_file(run, position["found"])).latents
        if latents is None or latents.size != run.latent_dim:
            raise RunError("The latent that was found does not fit this run; find the photo again.")
        return run.edited(latents[None], edits)[0]
    return run.latents([position["seed"]], position["truncation"], edits, position.get("label"))[0]


def _between(first: np.ndarray, second: np.ndarray, t: float, latent_dim: int) -> np.ndarray:
    """Return a point between two inputs: the length and the direction of the latent are interpolated separately."""
    mixed = (1 - t) * first + t * second
    lengths = [float(np.linalg.norm(each[:latent_dim])) for each in (first, second, mixed)]
    wanted = (1 - t) * lengths[0] + t * lengths[1]
    mixed[:latent_dim] *= wanted / max(lengths[2], 1e-12)
    return mixed.astype(np.float32)


def _found_file(run: Run, found: str) -> Path:
    return require_own(run.path / "studio" / "found" / f"{found}.png", run.path)


def generate(progress: Progress, path: str, which: str, positions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Generate the images of positions. Returns `images`, PNG files, and `batch`, that of the weights."""
    run = _open(path, which)
    images = run.generate(np.stack([_inputs(run, position) for position in positions]), progress)
    return {"images": [encoded(image) for image in images], "batch": run.folder.generator_batches}


def walk(progress: Progress, path: str, which: str, positions: Sequence[dict[str, Any]], frames: int) -> dict[str, Any]:
    """Generate the images of a loop through positions; see `pippin.sampling.latents.closed_path`."""
    run = _open(path, which)
    inputs = np.stack([_inputs(run, position) for position in positions])
    latents, labels = inputs[:, : run.latent_dim], inputs[:, run.latent_dim :]
    steps = closed_path(latents, frames)
    if run.labels:
        steps = np.concatenate([steps, labels_between(labels, frames)], axis=1)
    images = run.generate(steps.astype(np.float32), progress)
    return {"images": [encoded(image) for image in images], "batch": run.folder.generator_batches}


def mix(progress: Progress, path: str, coarse: Sequence[int], fine: Sequence[int], truncation: float) -> Any:
    """Generate an image for each pair of seeds, as rows of PNG files."""
    images = _open(path, "best").mix(coarse, fine, truncation=truncation, progress=progress)
    return [[encoded(image) for image in row] for row in images]


def directions(progress: Progress, path: str, number: int | None, name: str | None) -> list[dict[str, Any]]:
    """Return the editing directions, after naming one if a number is given."""
    run = _open(path, "best")
    found = run.directions() if number is None or name is None else run.name_direction(number, name)
    names = {known: word for word, known in found.names.items()}
    return [{"number": n, "name": names.get(n)} for n in range(1, len(found.vectors) + 1)]


def save_position(progress: Progress, path: str, which: str, position: dict[str, Any], file: str) -> dict[str, Any]:
    """Write the picture of a position with its provenance, which `pippin walk --from` takes.

    Returns:
        `image`, the PNG file, and `batch`, that of the weights.
    """
    run = _open(path, which)
    target = require_own(Path(file), run.path)
    if position.get("seed") is not None:
        seeds, edits = [position["seed"]], position.get("edits") or None
        provenance = Provenance.of(run, seeds, position["truncation"], label=position.get("label"), edits=edits)
    else:
        provenance = Provenance.of(run, latents=_inputs(run, position)[None])
    provenance.save(target, run)
    return {"image": read_own(target, 2**26, run.path), "batch": run.folder.generator_batches}


def find(progress: Progress, path: str, photo: str, found: str, steps: int) -> dict[str, Any]:
    """Find a photo, and store the latent in a picture of the run. `steps` 0 means the default.

    Returns:
        `photo`, `image` and `trajectory`, PNG files; `distance`, `pixel_error` and `verdict`.
    """
    run = _open(path, "best")
    inversion = run.find(photo, steps=steps or STEPS, progress=progress)
    target = _found_file(run, found)
    with run_errors(run.path):
        target.parent.mkdir(parents=True, exist_ok=True)
    Provenance.of(run, latents=inversion.latent[None]).save(target, run)
    return {
        "photo": encoded(inversion.photo),
        "image": encoded(inversion.image),
        "trajectory": [encoded(image) for image in inversion.trajectory.values()],
        "distance": inversion.distance,
        "pixel_error": inversion.pixel_error,
        "verdict": inversion.verdict,
    }


def nearest(progress: Progress, path: str, which: str, position: dict[str, Any], count: int) -> dict[str, Any]:
    """Find the training images that are nearest to a generated image; see `pippin.runs.nearest`.

    Returns:
        `image`, a PNG file; `nearest`: the distance, the path and the PNG file of each training image; `very_near`.
    """
    run = _open(path, which)
    found = nearest_training_images(run, _inputs(run, position), count, progress=progress)
    near = zip(found.distances, found.paths, found.images, strict=True)
    return {
        "image": encoded(found.image),
        "nearest": [{"distance": float(d), "path": owner, "image": encoded(image)} for d, owner, image in near],
        "very_near": found.very_near,
    }
