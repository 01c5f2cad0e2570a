"""Make the strips of pictures for the lesson on settings: real runs with a setting too low, as usual, and too high.

python docs/figures/settings.py [FOLDER]

Each run trains the standard networks on the built-in apples at 32×32 from the same seed, about a minute on two free
cores. The runs are kept in FOLDER/runs, so the same command resumes.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from lessons import stacked
from PIL import Image

import pippin

BATCHES, COLUMNS, ENLARGED = 300, 12, 2
"""Batches of each run, pictures in a row, and the factor by which the pictures are enlarged."""

STRIPS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "learning_rate": (
        {"learning_rate": 3e-5, "learning_rate_end": 3e-6},
        {"learning_rate": 3e-2, "learning_rate_end": 3e-3},
    ),
    "gamma": ({"gamma": 0.0, "gamma_end": 0.0}, {"gamma": 2e4, "gamma_end": 2e3}),
}
"""Setting → the values that are too low, and those that are too high."""


def pictures(folder: Path, **settings: Any) -> Image.Image:
    """Train a run with some settings, and return generated pictures in a row."""
    name = "-".join(f"{key}-{value:g}" for key, value in settings.items()) or "usual"
    run = pippin.train("apples", folder / "runs" / name, image_size=32, batches=BATCHES, checkup=0, **settings)
    row = np.concatenate(list(run.sample(COLUMNS, seed=0)), axis=1)
    return Image.fromarray(row).resize((ENLARGED * row.shape[1], ENLARGED * row.shape[0]), Image.Resampling.BICUBIC)


def make(folder: Path) -> None:
    """Write a strip for each setting: too low, as usual, too high."""
    usual = pictures(folder)
    for name, (low, high) in STRIPS.items():
        stacked([pictures(folder, **low), usual, pictures(folder, **high)]).save(
            folder / f"setting-{name}.webp", quality=85
        )


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
