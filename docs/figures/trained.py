"""Make the figures that show trainings: the article's own run, the steps from 2017 to now, and what the settings do.

python docs/figures/trained.py FIGURE … [--source FOLDER] [--runs FOLDER] [--out FOLDER]

Each run trains at 32×32 from seed 0, and is kept in the folder of runs, so that the same command resumes. What was
measured is written to `trained.json` beside the figures, and the pages quote it. Times are processor time of the
process, because other programs of a busy machine change it least.
"""

import argparse
import functools
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from lessons import stacked
from PIL import Image

import pippin
from pippin.host.files import atomic_path
from pippin.runs.snapshots import read_snapshots
from pippin.session.reporting import Reporter

SIDE = 32
"""Side of the images in pixels, so small that all runs together take less than an hour on one core."""

COLUMNS, SCALE = 16, 2
"""Generated images in a row, and the factor by which they are enlarged."""

ARTICLE_BATCHES = {"classic": 5000, "standard": 1930}
"""Preset → batches of the article's run. Those of `standard` take the same processor time. A constant learning rate
makes a shorter run of `classic` the beginning of a longer one."""

MOMENTS = (0, 1000, 2500, 5000)
"""Batches whose snapshots are rows of the article's figure, and the end of a shorter run."""

IMAGES = 512
"""Generated images of each run that are scored."""

PIXELS_ONLY: dict[str, Any] = {"features": "none", "augment_p": 0.0, "shift_p": 0.0, "blur": 0.0}
PENALTIES: dict[str, Any] = {"rule": "relativistic", "gamma": 1.25, "gamma_end": 0.25}
STEPS: dict[str, tuple[int, dict[str, Any]]] = {
    "transposed": (700, {"preset": "classic", "ema_fraction": 0.0}),
    "resize": (400, {"preset": "classic", "ema_fraction": 0.0}),
    "penalties": (360, {"preset": "classic", "ema_fraction": 0.0, **PENALTIES}),
    "networks": (430, {**PIXELS_ONLY, "ema_fraction": 0.0}),
    "averaging": (430, PIXELS_ONLY),
    "augmentation": (420, {"features": "none"}),
    "features": (155, {"anchored": 0.0}),
    "anchors": (150, {}),
}
"""Step → its number of batches, and all settings that differ from the defaults. Each step adds one thing to the step
before it. The numbers of batches take about the same processor time."""

SETTING_BATCHES = 150
"""Batches of each run that shows a setting: after so many, the built-in apples look like apples."""

STRIPS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "learning_rate": (
        {"learning_rate": 3e-5, "learning_rate_end": 3e-6},
        {"learning_rate": 3e-2, "learning_rate_end": 3e-3},
    ),
    "gamma": ({"gamma": 0.0, "gamma_end": 0.0}, {"gamma": 2e4, "gamma_end": 2e3}),
    "reconstruction": (
        {"reconstruction": 0.0, "reconstruction_end": 0.0},
        {"reconstruction": 30.0, "reconstruction_end": 30.0},
    ),
    "augment_p": ({"augment_p": 0.0, "shift_p": 0.0}, {"augment_p": 1.0}),
    "ema_fraction": ({"ema_fraction": 0.0}, {"ema_fraction": 1.0}),
    "batch_size": ({"batch_size": 2}, {"batch_size": 32, "batches": SETTING_BATCHES // 4}),
    "batches": ({"batches": SETTING_BATCHES // 5}, {"batches": 3 * SETTING_BATCHES}),
}
"""Setting → the values that are too low, and those that are too high."""


class ProcessorTime(Reporter):
    """Adds up the processor time of a run's batches in a file, across training sessions.

    The first batch of a session is not counted, because the networks are compiled in it.
    """

    def __init__(self, file: Path):
        self.file = file
        self.seconds = json.loads(file.read_text())["seconds"] if file.exists() else 0.0
        self.last: float | None = None

    def on_batch_end(self, batches: int, measures: Mapping[str, float]) -> None:
        """Add the time since the batch before."""
        now = time.process_time()
        self.seconds += 0 if self.last is None else now - self.last
        self.last = now

    def on_tick(self, run: pippin.Run, tick: Any) -> None:
        """Write the file."""
        with atomic_path(self.file) as part:
            part.write_text(json.dumps({"batches": tick.batches, "seconds": self.seconds}))


def train(source: Any, folder: Path, batches: int, **settings: Any) -> tuple[pippin.Run, float]:
    """Train a run or resume it; return it, and its processor time in seconds."""
    clock = ProcessorTime(folder.with_name(f"{folder.name}.time.json"))
    settings = {"image_size": SIDE, "batches": batches, "checkup": 0, **settings}
    folder.parent.mkdir(parents=True, exist_ok=True)
    run = pippin.train(source, folder, reporter=clock, **settings)
    return run, clock.seconds


def row(images: Iterable[np.ndarray]) -> Image.Image:
    """Return images in a row, enlarged."""
    joined = np.concatenate(list(images), axis=1)
    return Image.fromarray(joined).resize((SCALE * joined.shape[1], SCALE * joined.shape[0]), Image.Resampling.NEAREST)


def samples(run: pippin.Run) -> Image.Image:
    """Return generated images of the first seeds in a row, not selected."""
    return row(run.sample(COLUMNS, seed=0))


def article(preset: str, source: Any, folder: Path, batches: int | None = None) -> tuple[Image.Image, dict]:
    """Train a preset for the article's number of batches; show some snapshots, and return what was measured."""
    run, seconds = train(source, folder / "article" / preset, batches or ARTICLE_BATCHES[preset], preset=preset)
    snapshots = read_snapshots(run.path, run.settings.image_size)
    moments = [moment for moment in MOMENTS if moment <= run.batches and moment in snapshots]
    moments += [run.batches] if run.batches not in moments else []
    picture = stacked([row(snapshots[moment][:COLUMNS]) for moment in moments])
    return picture, {"moments": moments, **scores(run, seconds)}


def steps(source: Any, folder: Path, each: Mapping[str, tuple[int, dict]] = STEPS) -> tuple[Image.Image, dict]:
    """Train each step from 2017 to now; show generated images of each, and return what was measured."""
    rows, measured = [], {}
    for name, (batches, settings) in each.items():
        own = {"generator": transposed_generator()} if name == "transposed" else {}
        run, seconds = train(source, folder / "steps" / name, batches, **settings, **own)
        rows.append(samples(run))
        measured[name] = scores(run, seconds)
    return stacked(rows), measured


def transposed_generator() -> keras.Model:
    """Return the classic generator with transposed convolutions, as in DCGAN, in place of up-sampling."""
    keras.utils.set_random_seed(0)
    stack = [layers.Dense(4 * 4 * 128, name="dense"), layers.Reshape((4, 4, 128), name="maps")]
    for width in (64, 32, None):
        last = stack[-1].name
        stack += [layers.BatchNormalization(momentum=0.9, name=f"{last}_norm")]
        stack += [layers.Activation("relu", name=f"{last}_relu")]
        name = f"conv_{width}" if width else "image"
        stack += [layers.Conv2DTranspose(width or 3, 5, strides=2, padding="same", name=name)]
    stack += [layers.Activation("tanh", name="tanh")]
    return keras.Sequential([keras.Input((100,), name="latents"), *stack], name="generator")


def strip(name: str, source: Any, folder: Path, batches: int = SETTING_BATCHES) -> tuple[Image.Image, dict]:
    """Train with one setting too low, as usual and too high; show generated images of each, and return the costs."""
    low, high = STRIPS[name]
    rows, measured = [], {}
    for place, values in (("low", low), ("usual", {}), ("high", high)):
        own = "-".join(f"{key}-{value:g}" for key, value in values.items()) or "usual"
        run, seconds = train(source, folder / "settings" / own, **{"batches": batches, **values})
        rows.append(samples(run))
        measured[place] = {**values, "batches": run.batches, "seconds": round(seconds, 1)}
    return stacked(rows), measured


def scores(run: pippin.Run, seconds: float) -> dict[str, float]:
    """Return the batches and processor time of a run, and its scores against the held-out set.

    They are kept in a file beside the run, since they take as long as the training of a step.
    """
    file = run.path.with_name(f"{run.path.name}.scores.json")
    if not file.exists():
        found = pippin.evaluate(run, n=IMAGES)
        each = {"kid": found.scores.kid, "precision": found.scores.precision, "recall": found.scores.recall}
        with atomic_path(file) as part:
            part.write_text(json.dumps({name: round(value, 3) for name, value in each.items()}))
    about = {"batches": run.batches, "batch_size": run.settings.batch_size, "seconds": round(seconds, 1)}
    return {**about, **json.loads(file.read_text())}


def save(picture: Image.Image, name: str, out: Path) -> None:
    """Write a figure as a small file."""
    picture.save(out / f"{name}.webp", quality=80, method=6)


def note(name: str, measured: dict[str, Any], out: Path) -> None:
    """Add what was measured to `trained.json`, with the versions."""
    file = out / "trained.json"
    stored = json.loads(file.read_text()) if file.exists() else {}
    about = {"pippin": pippin.__version__, "keras": keras.__version__, "engine": keras.backend.backend()}
    with atomic_path(file) as part:
        part.write_text(json.dumps({**stored, name: {**about, **measured}}, indent=1, sort_keys=True) + "\n")


def table_cells(measured: Mapping[str, Any]) -> str:
    """Return the cells of a page's table with what was measured of one run."""
    return f"{measured['batches']:,} | {measured['kid']:.3f} | {measured['precision']:.2f} | {measured['recall']:.2f}"


FIGURES = {
    **{f"article-{preset}": functools.partial(article, preset) for preset in ARTICLE_BATCHES},
    "steps": steps,
    **{f"setting-{name}": functools.partial(strip, name) for name in STRIPS},
}
"""Figure → the function that trains its runs. It takes a source and a folder of runs."""


def main() -> None:
    """Make the figures that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", nargs="+", choices=FIGURES)
    parser.add_argument("--source", default="apples")
    parser.add_argument("--runs", type=Path, default=Path("runs/figures"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    for name in args.figures:
        picture, measured = FIGURES[name](args.source, args.runs)
        save(picture, name, args.out)
        note(name, measured, args.out)


if __name__ == "__main__":
    main()
