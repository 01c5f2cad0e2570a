"""Snapshots: the generated images of the same latents at several points of a training, as picture files of a run."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from pippin.show import GAP, grid, save_picture, timeline

SNAPSHOT_LATENTS = 64
"""Number of fixed latents from which each snapshot is generated: a grid of 8 × 8 images."""

FOLDER, LATEST, TIMELINE = "pictures", "latest.png", "timeline.png"


def save_images(run_path: Path, batches: int, images: np.ndarray, is_snapshot: bool) -> None:
    """Write the images of the fixed latents: `latest.png`, and for a snapshot its own file and `timeline.png`.

    Args:
        run_path: the folder of the run.
        batches: number of batches trained when they were generated.
        images: uint8 (SNAPSHOT_LATENTS, S, S, C).
        is_snapshot: whether to keep these images beside the earlier snapshots.

    Raises:
        PippinError: a file cannot be written.
    """
    sheet = grid(images)
    save_picture(sheet, run_path / LATEST)
    if is_snapshot:
        save_picture(sheet, run_path / FOLDER / f"batch-{batches:06d}.png")
        save_picture(timeline(read_snapshots(run_path, images.shape[1])), run_path / TIMELINE)


def snapshot_files(run_path: Path) -> list[Path]:
    """Return the files `pictures/batch-NNNNNN.png` of a run, sorted by batch."""
    return sorted(file for file in (run_path / FOLDER).glob("batch-*.png") if _NAME.fullmatch(file.stem))


def read_snapshots(run_path: Path, image_size: int) -> dict[int, np.ndarray]:
    """Return batch number → uint8 (SNAPSHOT_LATENTS, image_size, image_size, 3), sorted by batch.

    Transparent images lie over a checkerboard, as in the files.
    """
    snapshots = {}
    for file in snapshot_files(run_path):
        with Image.open(file) as sheet:
            images = _split_sheet(np.asarray(sheet.convert("RGB")), image_size)
        snapshots[int(file.stem.removeprefix("batch-"))] = images
    return snapshots


_NAME = re.compile(r"batch-\d+")


def _split_sheet(sheet: np.ndarray, size: int) -> np.ndarray:
    """Return the images of a sheet that `grid` made of SNAPSHOT_LATENTS images."""
    starts = range(0, sheet.shape[0], size + GAP)
    images = [sheet[top : top + size, left : left + size] for top in starts for left in starts]
    return np.stack(images)[:SNAPSHOT_LATENTS]
