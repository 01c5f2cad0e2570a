"""Files to take away: the command lines that write them, and the files of a run that can be downloaded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pippin.errors import RunError
from pippin.host.own_files import require_own
from pippin.sampling.seeds import check_seeds, format_seeds, parse_seeds
from pippin.studio.answers import Body, RequestError
from pippin.studio.explore_routes import sample_words, walk_words
from pippin.studio.favourites import Favourites
from pippin.studio.positions import MAX_POSITIONS, FoundId, Position, Truncation, edit_words
from pippin.studio.stored import FOLDER

OUTPUTS = "outputs"
"""The folder of the pictures and films in the studio's folder in a run."""

MAX_LISTED = 1000
"""Largest number of files that are listed."""

SUFFIX_KINDS = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg"), "pictures"),
    **dict.fromkeys((".mp4",), "film"),
}
"""Suffix of an output → its kind for the page."""

OWN_FILES = {
    "latest.png": "pictures",
    "timeline.png": "pictures",
    "nearest.png": "pictures",
    "report.html": "report",
    "generator.keras": "model",
    "generator.onnx": "model",
    "generator.tflite": "model",
    "web": "page",
    "huggingface": "huggingface",
}
"""Files and folders of a run that can be downloaded → their kind."""

What = Literal["pictures", "walk", "story", "model", "page", "huggingface", "report", "evaluate", "diagram", "mix"]


class TakeOptions(Body):
    """The options of all kinds of files; each uses some of them."""

    positions: list[Position] = Field(default=[], max_length=MAX_POSITIONS)
    favourites: list[FoundId] = Field(default=[], max_length=100)
    n: Annotated[int, Field(ge=1, le=1024)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**62)] = 0
    seeds: str | None = Field(default=None, max_length=10_000)
    truncation: Truncation = 1.0
    edits: dict[str, float] = Field(default={})
    label: str | None = None
    curate: bool = False
    labels: bool = False
    separate: bool = False
    frames: Annotated[int, Field(ge=1, le=240)] = 48
    fps: Annotated[int, Field(ge=1, le=60)] = 24
    seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.5
    format: str | None = None
    coarse: str = Field(default="0-3", max_length=1000)
    fine: str = Field(default="4-7", max_length=1000)


class TakeOrder(Body):
    """Files to write."""

    what: What
    options: TakeOptions = Field(default=TakeOptions())
    dry: bool = False


def take_words(run: Path, order: TakeOrder) -> list[str]:
    """Return the command line that writes files, without `pippin`.

    Raises:
        RequestError: the options cannot be expressed on the command line.
        SettingsError: seeds or strengths are wrong.
    """
    return _WORDS[order.what](run, order.options)


def _output(run: Path, stem: str, suffix: str) -> str:
    """Return a file for an output that does not exist yet."""
    folder = require_own(run / FOLDER / OUTPUTS, run)
    number = 1
    while os.path.lexists(folder / f"{stem}-{number}{suffix}"):
        number += 1
    return str(folder / f"{stem}-{number}{suffix}")


def _suffix(options: TakeOptions, known: tuple[str, ...]) -> str:
    """Return the suffix of a format; the first one is the default."""
    if options.format is not None and options.format not in known:
        raise RequestError(400, "settings", f"The format must be one of {', '.join(known)}.")
    return f".{options.format or known[0]}"


def _pictures(run: Path, options: TakeOptions) -> list[str]:
    """Return the command that writes a grid, or separate pictures."""
    if options.positions:
        words = sample_words(run, options.positions)
        if words is None:
            raise RequestError(
                400,
                "settings",
                "These pictures have different settings; keep them as favourites, or choose alike ones.",
            )
    else:
        words = ["sample", str(run)]
        if options.seeds is not None:
            words += ["--seeds", format_seeds(parse_seeds(options.seeds))]
        else:
            words += ["-n", f"{options.n}", *(["--seed", f"{options.seed}"] if options.seed else [])]
        words += ["--truncation", f"{options.truncation:g}"] if options.truncation != 1 else []
        words += [*edit_words(options.edits), *(["--label", options.label] if options.label is not None else [])]
        words += ["--curate"] if options.curate else []
    suffix = _suffix(options, ("png", "jpg", "webp"))
    words += ["--labels" if options.labels else "--no-labels"] if "--from" not in words else []
    words += ["--separate"] if options.separate else []
    return [*words, "-o", _output(run, "pictures", suffix)]


def _walk(run: Path, options: TakeOptions) -> list[str]:
    """Return the command that writes a walk through seeds, positions or favourites."""
    if options.favourites:
        kept = Favourites(run)
        positions = [kept.get(each).position for each in options.favourites]
        words = walk_words(run, positions)
        if words is None:
            files = [str(kept.picture_file(each)) for each in options.favourites]
            words = ["walk", str(run), *(word for file in files for word in ("--from", file))]
    elif options.positions:
        words = walk_words(run, options.positions)
        if words is None:
            raise RequestError(400, "settings", "A film leads through seeds of one kind, or through favourites.")
    else:
        words = ["walk", str(run), "--seeds", format_seeds(check_seeds(parse_seeds(options.seeds or "0-4")))]
        words += ["--truncation", f"{options.truncation:g}"] if options.truncation != 1 else []
        words += ["--label", options.label] if options.label is not None else []
    words += ["--frames", f"{options.frames}", "--fps", f"{options.fps}"]
    return [*words, "-o", _output(run, "walk", _suffix(options, ("mp4", "webp", "gif")))]


def _story(run: Path, options: TakeOptions) -> list[str]:
    words = ["story", str(run), "--seconds", f"{options.seconds:g}", "--fps", f"{options.fps}"]
    return [*words, "-o", _output(run, "story", _suffix(options, ("mp4", "webp", "gif")))]


def _model(run: Path, options: TakeOptions) -> list[str]:
    return ["export", str(run), "--to", _suffix(options, ("keras", "onnx", "tflite"))[1:]]


def _mix(run: Path, options: TakeOptions) -> list[str]:
    words = ["mix", str(run), "--coarse", format_seeds(parse_seeds(options.coarse))]
    words += ["--fine", format_seeds(parse_seeds(options.fine)), "--truncation", f"{options.truncation:g}"]
    return [*words, "-o", _output(run, "mix", _suffix(options, ("png", "jpg", "webp")))]


_WORDS: dict[str, Callable[[Path, TakeOptions], list[str]]] = {
    "pictures": _pictures,
    "walk": _walk,
    "story": _story,
    "model": _model,
    "page": lambda run, options: ["export", str(run), "--to", "web"],
    "huggingface": lambda run, options: ["export", str(run), "--to", "huggingface"],
    "report": lambda run, options: ["report", str(run)],
    "evaluate": lambda run, options: ["evaluate", str(run), "-n", f"{max(8, options.n)}"],
    "diagram": lambda run, options: ["diagram", str(run), "-o", _output(run, "networks", ".svg")],
    "mix": _mix,
}
"""What is taken away → the function that returns its command."""


WRITES: dict[str, tuple[str, ...]] = {
    "model": ("generator.keras", "generator.onnx", "generator.tflite"),
    "page": ("web",),
    "huggingface": ("huggingface",),
    "report": ("report.html",),
    "evaluate": ("nearest.png",),
}
"""What is taken away → its files, where the command has no `-o`. All other files that change meanwhile are those of a
training of the same run."""


def is_made_by(what: str, name: str) -> bool:
    """Return whether a file of `listed_files` is one that the command of a kind writes."""
    return name in WRITES[what] if what in WRITES else name.startswith(f"{OUTPUTS}/")


def listed_files(run: Path) -> dict[str, tuple[Path, str]]:
    """Return the files and folders of a run that can be downloaded: name → path and kind. Links are left out."""
    found: dict[str, tuple[Path, str]] = {}
    outputs = run / FOLDER / OUTPUTS
    try:
        require_own(outputs, run)
        names = sorted(os.listdir(outputs))[:MAX_LISTED] if outputs.is_dir() else []
    except (OSError, RunError):
        names = []
    for name in names:
        kind = SUFFIX_KINDS.get(Path(name).suffix.lower(), "pictures")
        if not name.startswith(".") and _is_own(outputs / name, run):
            found[f"{OUTPUTS}/{name}"] = outputs / name, kind
    for name, kind in OWN_FILES.items():
        if _is_own(run / name, run):
            found[name] = run / name, kind
    return found


def _is_own(path: Path, run: Path) -> bool:
    """Return whether there is a regular file or a folder in a run, without links."""
    try:
        return require_own(path, run).exists()
    except (RunError, ValueError, OSError):
        return False


def own_files(folder: Path) -> list[Path]:
    """Return the regular files in a folder and its subfolders. No link is followed."""
    found = []
    for top, _, names in os.walk(folder, followlinks=False):
        found += [path for name in sorted(names) if _is_own(path := Path(top) / name, folder)]
    return found


def file_facts(run_id: str, name: str, path: Path, kind: str, view: str | None) -> dict[str, Any]:
    """Return a file or folder as the page gets it."""
    is_folder = path.is_dir()
    files = own_files(path) if is_folder else [path]
    return {
        "name": name,
        "kind": kind,
        "folder": is_folder,
        "bytes": sum(file.stat().st_size for file in files),
        "changed": max((file.stat().st_mtime for file in files), default=0.0),
        "url": f"/api/runs/{run_id}/files/{name}",
        "view": view,
    }
