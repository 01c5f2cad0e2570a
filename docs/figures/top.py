"""Make the picture at the top of the README from a run: four latents over the training, and new pictures beside them.

pippin train photos/ --minutes 10
python docs/figures/top.py runs/photos-64-standard [FOLDER]
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import pippin
from pippin.runs.curation import curate
from pippin.runs.snapshots import read_snapshots
from pippin.show import grid

LATENTS = (8, 31, 23, 36)
"""Snapshot latents of the left part: three single apples and a heap, chosen by eye."""

MOMENTS = (0, 100, 500, 1000)
"""Batches of the columns of the left part; the last column is the end of the run."""

NEW = 28
"""New pictures of the right part, in as many rows as there are latents."""

TRUNCATION = 0.8
"""Truncation of the new pictures: slightly more typical than without."""

GUTTER, TEXT = 24, 15
"""Pixels between the two parts, and the size of the font."""


def top(run: pippin.Run, latents: Sequence[int] = LATENTS, new: int = NEW) -> Image.Image:
    """Return the picture: to the left the moments of a training with their times, to the right new pictures."""
    size = run.settings.image_size
    snapshots, times = read_snapshots(run.path, size), seconds(run)
    moments = [*(moment for moment in MOMENTS if moment < run.batches), run.batches]
    rows = np.stack([snapshots[moment][list(latents)] for moment in moments], axis=1)
    left = grid(rows.reshape(-1, size, size, 3), len(moments))
    right = grid(curate(run, new, truncation=TRUNCATION).images, new // len(latents))
    canvas = Image.new("RGB", (left.shape[1] + GUTTER + right.shape[1], TEXT + 8 + left.shape[0]), "white")
    canvas.paste(Image.fromarray(left), (0, TEXT + 8))
    canvas.paste(Image.fromarray(right), (left.shape[1] + GUTTER, TEXT + 8))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(TEXT)
    for n, moment in enumerate(moments):
        middle = n * (left.shape[1] + 2) / len(moments) + size / 2
        draw.text((middle, 2), duration(times[moment]), fill="black", font=font, anchor="ma")
    return canvas


def seconds(run: pippin.Run) -> dict[int, float]:
    """Return batch → training time in seconds, of each line of the run's log, and of batch 0."""
    lines = (run.path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return {0: 0.0} | {entry["batches"]: entry["seconds"] for entry in entries if "seconds" in entry}


def duration(passed: float) -> str:
    """Return a time as text that every language understands."""
    return f"{passed:.0f} s" if passed < 60 else f"{passed / 60:.0f} min"


FIGURES = {"top": top}

if __name__ == "__main__":
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent
    top(pippin.open_run(sys.argv[1])).save(folder / "top.webp", quality=85, method=6)
